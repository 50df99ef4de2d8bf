"""Two who write at the same moment, each on a connection of the application's role."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from django.db import connection

Connect = Callable[[], "psycopg.Connection[Any]"]


def connected() -> psycopg.Connection[Any]:
    """Beside Django's own, to the database of the tests."""
    address = psycopg.conninfo.conninfo_to_dict(os.environ["DATABASE_URL"])
    return psycopg.connect(**address | {"dbname": connection.settings_dict["NAME"]})


def met(connect: Connect, first: str, then: str, given: dict[str, Any]) -> BaseException | None:
    """What the second is told, who has to wait until the first commits."""
    a, b, looks = connect(), connect(), connect()
    looks.autocommit = True
    try:
        psycopg.ClientCursor(a).execute(first, given)
        with ThreadPoolExecutor(1) as pool:
            told = pool.submit(lambda: psycopg.ClientCursor(b).execute(then, given))
            waits = _within(10, lambda: told.done() or _blocked(looks, b.info.backend_pid)) and not told.done()
            a.commit()
            error = told.exception(30)
        b.rollback() if error else b.commit()
    finally:
        for one in (a, b, looks):
            one.close()
    assert waits, f"it did not wait: {error}"
    return error


def _blocked(looks: psycopg.Connection[Any], pid: int) -> bool:
    [(blockers,)] = looks.execute("SELECT cardinality(pg_blocking_pids(%s))", [pid]).fetchall()
    return bool(blockers)


def _within(seconds: float, happens: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not (found := happens()) and time.monotonic() < until:
        time.sleep(0.02)
    return found
