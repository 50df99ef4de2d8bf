"""Reading by SuiteQL: paged, ordered, all values strings."""

from __future__ import annotations

import re
from typing import Any

from q2c.connectors.http import Lost, NotSent
from q2c.connectors.netsuite.refusals import outcome_of
from q2c.connectors.netsuite.session import Session, SignInRefused
from q2c.connectors.outcomes import Rejected, Unavailable, Unknown
from q2c.reasons import Reason

PATH = "/services/rest/query/v1/suiteql"
PAGE = 1000

_JOURNAL = """SELECT t.id, t.externalid, t.tranid, TO_CHAR(t.trandate, 'YYYY-MM-DD') AS trandate,
BUILTIN.DF(t.currency) AS currency, t.postingperiod, tal.transactionline, a.acctnumber AS account,
tal.debit, tal.credit, d.externalid AS department, c.externalid AS class, l.externalid AS location
FROM transaction t
JOIN transactionaccountingline tal ON tal.transaction = t.id
JOIN transactionline tl ON tl.transaction = tal.transaction AND tl.id = tal.transactionline
JOIN account a ON a.id = tal.account
LEFT JOIN department d ON d.id = tl.department
LEFT JOIN classification c ON c.id = tl.class
LEFT JOIN location l ON l.id = tl.location
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

    def rows(self, query: str, limit: int = PAGE) -> list[dict[str, str]]:
        """All rows of a query, page by page. Raises ReadRefused."""
        found: list[dict[str, str]] = []
        while True:
            page = self._page(query, limit, len(found))
            found += page["items"]
            if not page.get("hasMore") or limit < PAGE:
                return found

    def _page(self, query: str, limit: int, offset: int) -> dict[str, Any]:
        try:
            answer = self.session.send(
                "POST", f"{PATH}?limit={limit}&offset={offset}", {"q": query}, {"Prefer": "transient"}
            )
        except (NotSent, Lost) as error:
            raise ReadRefused(Unavailable(text=str(error)))
        except SignInRefused as error:
            raise ReadRefused(Rejected(reason=Reason.CREDENTIALS_REFUSED, text=str(error)))
        document = answer.json()
        if answer.ok and isinstance(document, dict) and "items" in document:
            return document
        outcome = outcome_of(answer, self.session.config.name, Reason.REQUEST_REFUSED)
        if isinstance(outcome, Unknown):
            outcome = Unavailable(text=outcome.text)
        assert isinstance(outcome, Rejected | Unavailable)
        raise ReadRefused(outcome)

    def journal(self, *, external_id: str, id_: str = "") -> list[dict[str, str]]:
        """One posted journal, a row per line; empty where none carries the id."""
        where = f"t.id = {literal(id_)}" if id_ else f"t.externalid = {literal(external_id)}"
        return self.rows(_JOURNAL.format(where=where))
