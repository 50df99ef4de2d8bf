"""Reading by SuiteQL: paged, ordered, all values strings, nulls left out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from q2c.connectors.http import Lost, NotSent
from q2c.connectors.netsuite.refusals import outcome_of_read
from q2c.connectors.netsuite.session import Session, SignInRefused
from q2c.connectors.outcomes import Rejected, Unavailable, credentials_refused

PATH = "/services/rest/query/v1/suiteql"
PAGE = 1000
KEYS_MAX = 50

# Amounts of the line are in the transaction's currency, those of the accounting line in the subsidiary's own.
_JOURNALS = """SELECT t.id, t.externalid, t.tranid, t.transactionnumber, t.posting,
TO_CHAR(t.trandate, 'YYYY-MM-DD') AS trandate,
cur.symbol AS currency, t.exchangerate, s.{subsidiary} AS subsidiary, tal.transactionline, a.{account} AS account,
tl.foreignamount, tal.amount, d.{department} AS department, c.{class} AS class, l.{location} AS location,
k.{customer} AS customer
FROM transaction t
JOIN transactionaccountingline tal ON tal.transaction = t.id
JOIN transactionline tl ON tl.transaction = tal.transaction AND tl.id = tal.transactionline
JOIN currency cur ON cur.id = t.currency
JOIN subsidiary s ON s.id = tl.subsidiary
JOIN account a ON a.id = tal.account
LEFT JOIN department d ON d.id = tl.department
LEFT JOIN classification c ON c.id = tl.class
LEFT JOIN location l ON l.id = tl.location
LEFT JOIN customer k ON k.id = tl.entity
WHERE {where} ORDER BY t.id, tal.transactionline"""


class ReadRefused(Exception):
    """A read that came to nothing; a read never leaves anything unknown."""

    def __init__(self, outcome: Rejected | Unavailable) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


def literal(text: str) -> str:
    """A SuiteQL string; the language has no bind values over REST."""
    return "'" + re.sub(r"[\x00-\x1f]", "", text).replace("'", "''") + "'"


class SuiteQL:
    def __init__(self, session: Session) -> None:
        self.session = session

    def rows(self, query: str) -> list[dict[str, str]]:
        """All rows of a query, page by page. Raises ReadRefused."""
        found: list[dict[str, str]] = []
        while True:
            page = self._page(query, PAGE, len(found))
            found += page["items"]
            if not page.get("hasMore") or not page["items"]:
                return found

    def first(self, query: str) -> list[dict[str, str]]:
        """At most one row."""
        return list(self._page(query, 1, 0)["items"])

    def _page(self, query: str, limit: int, offset: int) -> dict[str, Any]:
        try:
            answer = self.session.send(
                "POST", f"{PATH}?limit={limit}&offset={offset}", {"q": query}, {"Prefer": "transient"},
                operation="suiteql",
            )  # fmt: skip
        except (NotSent, Lost) as error:
            raise ReadRefused(Unavailable(text=str(error)))
        except SignInRefused as error:
            raise ReadRefused(credentials_refused(self.session.config.name, str(error)))
        document = answer.json()
        if answer.ok:
            if isinstance(document, dict) and isinstance(document.get("items"), list):
                return document
            raise ReadRefused(Unavailable(text=f"SuiteQL answered {answer.status} without rows"))
        raise ReadRefused(outcome_of_read(answer))

    def journals(
        self, columns: Mapping[str, str], *, keys: Sequence[str] = (), id_: str = "", book: str = ""
    ) -> dict[str, list[dict[str, str]]]:
        """Journals by external id, a row per line; by internal id where `id_` is given. Raises ReadRefused."""
        found: dict[str, list[dict[str, str]]] = {}
        for start in range(0, max(1, len(keys)), KEYS_MAX):
            names = ", ".join(literal(key) for key in keys[start : start + KEYS_MAX])
            where = f"t.id = {literal(id_)}" if id_ else f"t.externalid IN ({names})"
            if book:
                where += f" AND tal.accountingbook = {literal(book)}"
            for row in self.rows(_JOURNALS.format(where=where, **columns)):
                found.setdefault(row.get("externalid", ""), []).append(row)
        return found
