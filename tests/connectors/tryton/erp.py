"""The real Tryton of this test run: one for all tests, and what its own users, or somebody with SQL, do in it."""

from __future__ import annotations

import base64
import datetime as dt
from functools import cache
from typing import Any

import psycopg
import pytest
import requests

from q2c.demo import books
from q2c.local import pytest_plugin
from q2c.local.stop import Stop
from q2c.local.tryton import DATABASE, Tryton

SINCE, UNTIL = dt.date(2026, 1, 1), dt.date(2026, 12, 31)


@cache
def _there() -> Tryton | str:
    try:
        return pytest_plugin.tryton(books.described(SINCE, UNTIL))
    except Stop as stop:
        return str(stop)


def tryton() -> Tryton:
    """Skips, visibly, where it cannot be installed."""
    there = _there()
    if isinstance(there, str):
        pytest.skip(f"no Tryton here: {there}")
    return there


def sql(text: str, values: Any = (), database: str = DATABASE) -> list[tuple[Any, ...]]:
    """What somebody with the database's password does behind everybody's back."""
    with psycopg.connect(address(database)) as connection:
        cursor = connection.execute(text, values)
        return cursor.fetchall() if cursor.description else []


def address(database: str = DATABASE) -> str:
    return tryton().postgres.url("superuser").rpartition("/")[0] + f"/{database}"


def moves(key: str, database: str = DATABASE) -> list[tuple[Any, ...]]:
    """(id, state, number) of all that bears a key, drafts too."""
    text = "SELECT id, state, number FROM account_move WHERE description LIKE %s ORDER BY id"
    return sql(text, [f"{key}%"], database)


def as_new() -> None:
    """Nothing is booked, every month is open, and every analytic account alive."""
    sql("TRUNCATE account_move, account_move_line, analytic_account_line CASCADE")
    sql("UPDATE account_journal_period SET state = 'open'")
    sql("UPDATE account_period SET state = 'open'")
    sql("UPDATE analytic_account_account SET active = true, state = 'opened'")


class Person:
    """Greta, who keeps the books: signed in as Tryton's own clients are."""

    def __init__(self, database: str = DATABASE) -> None:
        server = tryton()
        person = server.made()["person"]
        self.url = f"{server.url(database)}/rpc/"
        self._http = requests.Session()
        self._http.trust_env = False
        user, session = self._call("common.db.login", [person["login"], {"password": person["password"]}])[:2]
        token = base64.b64encode(f"{person['login']}:{user}:{session}".encode()).decode()
        self._http.headers["Authorization"] = f"Session {token}"
        self.companies = server.made()["companies"]

    def _call(self, method: str, parameters: list[Any]) -> Any:
        answer = self._http.post(self.url, json={"id": 1, "method": method, "params": parameters}, timeout=30)
        answer.raise_for_status()
        said = answer.json()
        if error := said.get("error"):
            raise AssertionError(f"{method}: {error}")
        return said["result"]

    def does(self, model: str, verb: str, *parameters: Any, company: str = "DE") -> Any:
        context = {"company": self.companies[company], "language": "en"}
        return self._call(f"model.{model}.{verb}", [*parameters, context])

    def ids(self, model: str, *domain: Any, company: str = "DE") -> list[int]:
        wanted = [["company", "=", self.companies[company]], *domain]
        return list(self.does(model, "search", wanted, 0, None, None, company=company))
