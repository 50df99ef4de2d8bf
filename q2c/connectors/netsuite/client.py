"""NetSuite as ports.Journals and ports.Customers.

A journal is POSTed with our key as externalId, never upserted: a PUT would overwrite what a person has changed since.
"Already exists" is answered by a look at what exists.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from q2c import clock
from q2c.connectors.http import Lost, NotSent
from q2c.connectors.netsuite import checks, mapping
from q2c.connectors.netsuite.refusals import errors_of, outcome_of
from q2c.connectors.netsuite.session import Session, SignInRefused
from q2c.connectors.netsuite.suiteql import ReadRefused, SuiteQL
from q2c.connectors.outcomes import (
    Blocker,
    Lookup,
    NotFound,
    Outcome,
    Posted,
    Rejected,
    Unavailable,
    Unknown,
)
from q2c.connectors.ports import ConnectionConfig
from q2c.contracts.documents import CustomerDocument, JournalDocument
from q2c.reasons import Reason

RECORD = "/services/rest/record/v1"


class NetSuite:
    """Options: account, segments (dimension → department | class | location), algorithm."""

    # Sync REST has no batch door; the engine's threads make the calls side by side.
    batch_max = 1

    def __init__(self, config: ConnectionConfig) -> None:
        self.config = config
        self.session = Session(config)
        self.suiteql = SuiteQL(self.session)
        self.segments = mapping.segments_of(config.options)

    def probe(self) -> Unavailable | Rejected | None:
        try:
            self.suiteql.rows("SELECT id FROM subsidiary ORDER BY id", limit=1)
        except ReadRefused as refused:
            return refused.outcome
        return None

    # Journals

    def check(self, journals: Sequence[JournalDocument]) -> list[Rejected | Unavailable | None]:
        try:
            return checks.check(self.suiteql, self.config.name, journals, self.segments)
        except ReadRefused as refused:
            return [refused.outcome] * len(journals)

    def post(self, journals: Sequence[JournalDocument]) -> list[Outcome]:
        return [self._post(journal) for journal in journals]

    def _post(self, journal: JournalDocument) -> Outcome:
        try:
            period = checks.period_of(self.suiteql, journal.effective_on)
        except ReadRefused as refused:
            return refused.outcome
        if period is None:
            return checks.no_period(self.config.name, journal)
        body = mapping.journal_body(journal, period["id"], self.segments)
        sent_at = clock.now()
        try:
            answer = self.session.send(
                "POST", f"{RECORD}/journalEntry", body, {"X-NetSuite-PropertyNameValidation": "Error"}
            )
        except NotSent as error:
            return Unavailable(text=str(error))
        except Lost as error:
            return Unknown(text=str(error))
        except SignInRefused as error:
            return Rejected(reason=Reason.CREDENTIALS_REFUSED, text=str(error))
        if answer.status == 204:
            return self._read_back(journal, answer.headers.get("Location", ""), sent_at)
        outcome = outcome_of(answer, self.config.name)
        if isinstance(outcome, Rejected) and outcome.reason == Reason.CONTENT_DIFFERS:
            found = self._find(journal)
            # Taken, says the platform, and not to be found: it commits while we look.
            return Unknown(text=outcome.text) if isinstance(found, NotFound) else found
        return outcome

    def _read_back(self, journal: JournalDocument, location: str, sent_at: dt.datetime) -> Outcome:
        """Posted is what reads back as it was sent. NetSuite answers before it has indexed, so absence is no news."""
        id_ = location.rstrip("/").rpartition("/")[2]
        found = self._find(journal, id_)
        proof = {"posted_at": sent_at.isoformat(), "posted_as": id_}
        if isinstance(found, Posted):
            return Posted(reference=found.reference, document=found.document, proof={**proof, **found.proof})
        if isinstance(found, Rejected):
            return found
        return Unknown(text=f"posted as {id_}, not readable yet")

    def find(self, journals: Sequence[JournalDocument]) -> list[Lookup]:
        return [self._find(journal) for journal in journals]

    def _find(self, journal: JournalDocument, id_: str = "") -> Lookup:
        searched_at = clock.now()
        try:
            rows = self.suiteql.journal(external_id=journal.key, id_=id_)
        except ReadRefused as refused:
            return refused.outcome
        if not rows:
            return NotFound(searched_at=searched_at)
        wrong = mapping.differences(
            mapping.signature_of(journal, self.segments), mapping.signature_of_rows(rows, self.segments)
        )
        if wrong:
            return Rejected(
                reason=Reason.CONTENT_DIFFERS,
                text=f"NetSuite holds {rows[0]['tranid']} under {journal.key} with other content: {'; '.join(wrong)}",
                blocker=Blocker(
                    connection=self.config.name, object_type="journal_entry", object_key=rows[0]["id"],
                    condition="content_differs",
                ),
            )  # fmt: skip
        compared = {"date": journal.effective_on.isoformat(), "lines": len(rows), "at": searched_at.isoformat()}
        return Posted(
            reference=rows[0]["id"], document=rows[0]["tranid"], found=True,
            proof={"found_at": searched_at.isoformat(), "compared": compared},
        )  # fmt: skip

    def still_blocked(self, blocker: Blocker) -> bool | None:
        try:
            return checks.still_blocked(self.suiteql, blocker, self.segments)
        except ReadRefused:
            return None

    # Customers

    def put_customer(self, customer: CustomerDocument, key: str) -> Outcome:
        try:
            answer = self.session.send("POST", f"{RECORD}/customer", mapping.customer_body(customer, key))
        except NotSent as error:
            return Unavailable(text=str(error))
        except Lost as error:
            return Unknown(text=str(error))
        except SignInRefused as error:
            return Rejected(reason=Reason.CREDENTIALS_REFUSED, text=str(error))
        if answer.status == 204:
            id_ = answer.headers.get("Location", "").rstrip("/").rpartition("/")[2]
            return Posted(reference=id_, document=customer.key, proof={"posted_at": clock.now().isoformat()})
        outcome = outcome_of(answer, self.config.name, Reason.CUSTOMER_REFUSED)
        if isinstance(outcome, Rejected) and outcome.reason == Reason.CONTENT_DIFFERS:
            found = self.find_customer(customer, key)
            return Unknown(text=outcome.text) if isinstance(found, NotFound) else found
        return outcome

    def find_customer(self, customer: CustomerDocument, key: str) -> Lookup:
        """One customer per system: the one that carries our customer key, whoever made it."""
        searched_at = clock.now()
        try:
            answer = self.session.send("GET", f"{RECORD}/customer/eid:{quote(customer.key, safe='')}")
        except (NotSent, Lost) as error:
            return Unavailable(text=str(error))
        except SignInRefused as error:
            return Rejected(reason=Reason.CREDENTIALS_REFUSED, text=str(error))
        if answer.status == 404:
            return NotFound(searched_at=searched_at)
        if not answer.ok:
            outcome = outcome_of(answer, self.config.name, Reason.CUSTOMER_REFUSED)
            return (
                outcome
                if isinstance(outcome, Rejected | Unavailable)
                else Unavailable(text=errors_of(answer)[0]["detail"])
            )
        found: dict[str, Any] = answer.json()
        if found.get("companyName") != customer.name:
            return Rejected(
                reason=Reason.CONTENT_DIFFERS,
                text=f"NetSuite holds {found.get('companyName')} under {customer.key}, not {customer.name}",
            )
        return Posted(
            reference=str(found["id"]), document=customer.key, found=True, proof={"found_at": searched_at.isoformat()}
        )
