"""NetSuite as ports.Journals and ports.Customers.

A journal is POSTed with our key as externalId, never upserted: a PUT would overwrite what a person has changed since.
"Already exists" is answered by a look at what exists.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from q2c import clock
from q2c.connectors.http import Answer, Lost, NotSent
from q2c.connectors.netsuite import checks, mapping, refusals
from q2c.connectors.netsuite.masters import Masters, reference
from q2c.connectors.netsuite.session import Session, SignInRefused
from q2c.connectors.netsuite.suiteql import ReadRefused, SuiteQL, literal
from q2c.connectors.outcomes import (
    Blocker,
    Lookup,
    NotFound,
    Outcome,
    Posted,
    Rejected,
    Unavailable,
    Unknown,
    credentials_refused,
    read_after_send,
)
from q2c.connectors.ports import ConnectionConfig
from q2c.contracts.documents import CustomerDocument, JournalDocument
from q2c.reasons import Reason

RECORD = "/services/rest/record/v1"
Rows = Sequence[Mapping[str, str]]


class NetSuite:
    """Options: account; segments (dimension → department | class | location); names (account, department, class,
    location, subsidiary, customer, item → the column that holds our names); accounting_book; algorithm;
    functional_tolerance_minor.
    """

    # Sync REST has no batch door; the engine's threads make the calls side by side.
    batch_max = 1

    def __init__(self, config: ConnectionConfig) -> None:
        self.config = config
        self.session = Session(config)
        self.suiteql = SuiteQL(self.session)
        self.segments = mapping.segments_of(config.options)
        self.masters = Masters(self.suiteql, config.options.get("names"))

    def probe(self) -> Unavailable | Rejected | None:
        try:
            self.suiteql.first("SELECT id FROM subsidiary ORDER BY id")
        except ReadRefused as refused:
            return refused.outcome
        return None

    # Journals

    def check(self, journals: Sequence[JournalDocument], *, whole: bool = False) -> list[Rejected | Unavailable | None]:
        if not journals:
            return []
        try:
            found = checks.Found(self.masters, journals, self.segments, fresh=whole)
        except ReadRefused as refused:
            return [refused.outcome] * len(journals)
        return [checks.finding(self.config.name, journal, found) for journal in journals]

    def post(self, journals: Sequence[JournalDocument]) -> list[Outcome]:
        return [self._post(journal) for journal in journals]

    def _post(self, journal: JournalDocument) -> Outcome:
        try:
            found = checks.Found(self.masters, [journal], self.segments)
        except ReadRefused as refused:
            return refused.outcome
        if journal.effective_on.isoformat() not in found.periods:
            return checks.finding(self.config.name, journal, found) or Unavailable(text="the period cannot be read")
        sent_at = clock.now()
        answer = self._written("journalEntry", mapping.journal_body(journal, found))
        if not isinstance(answer, Answer):
            return answer
        if answer.ok:
            return self._read_back(journal, answer.headers.get("Location", ""), sent_at)
        if refusals.is_duplicate(answer):
            # Taken, says the platform; where it is not to be found, it commits while we look.
            return read_after_send(self.find([journal])[0], refusals.text_of(answer))
        return self._explained(journal, refusals.outcome_of(answer))

    def _written(self, record: str, body: dict[str, Any]) -> Answer | Rejected | Unavailable | Unknown:
        try:
            return self.session.send(
                "POST", f"{RECORD}/{record}", body, {"X-NetSuite-PropertyNameValidation": "Error"},
                operation=f"create_{record}",
            )  # fmt: skip
        except NotSent as error:
            return Unavailable(text=str(error))
        except Lost as error:
            return Unknown(text=str(error))
        except SignInRefused as error:
            return credentials_refused(self.config.name, str(error))

    def _read_back(self, journal: JournalDocument, location: str, sent_at: dt.datetime) -> Outcome:
        """Posted is what reads back as it was sent. NetSuite answers before it has indexed, so absence is no news."""
        id_ = location.rstrip("/").rpartition("/")[2]
        searched_at = clock.now()
        try:
            # Whatever external id it carries by now: a script of the account may have changed it.
            rows = next(iter(self._rows([journal], id_).values()), [])
        except ReadRefused as refused:
            return Unknown(text=f"posted as {id_}, but it cannot be read back: {refused}")
        if not rows:
            return Unknown(text=f"posted as {id_}, not readable yet")
        found = self._compared(journal, rows, searched_at)
        if isinstance(found, Rejected):
            return found
        proof = {"posted_at": sent_at.isoformat(), "posted_as": id_, **found.proof}
        return Posted(reference=found.reference, document=found.document, also=found.also, proof=proof)

    def _explained(self, journal: JournalDocument, outcome: Outcome) -> Outcome:
        """A refusal names internal ids. What our names for it are, and whether it is inactive or gone, is read."""
        if not isinstance(outcome, Rejected) or outcome.reason == Reason.CREDENTIALS_REFUSED:
            return outcome
        try:
            found = checks.Found(self.masters, [journal], self.segments, fresh=True)
        except ReadRefused:
            return outcome
        known = checks.finding(self.config.name, journal, found)
        if known is not None:
            said = f"{known.text}: {outcome.text}"
            return Rejected(reason=known.reason, text=said, code=outcome.code, field=known.field, blocker=known.blocker)
        if outcome.reason != Reason.PERIOD_CLOSED:
            return outcome
        # Open for the account, and refused: locked for this subsidiary.
        name = found.periods[journal.effective_on.isoformat()]["periodname"]
        condition = "locked" if refusals.LOCKED.search(outcome.text) else "closed"
        return Rejected(
            reason=outcome.reason, text=outcome.text, code=outcome.code, field=outcome.field,
            blocker=Blocker(
                connection=self.config.name, object_type="fiscal_period", object_key=name, condition=condition
            ),
        )  # fmt: skip

    def find(self, journals: Sequence[JournalDocument], *, only_reading: bool = False) -> list[Lookup]:
        searched_at = clock.now()
        try:
            found = self._rows(journals)
        except ReadRefused as refused:
            return [refused.outcome] * len(journals)
        return [
            self._compared(journal, found[journal.key], searched_at)
            if journal.key in found
            else NotFound(searched_at=searched_at)
            for journal in journals
        ]

    def _rows(self, journals: Sequence[JournalDocument], id_: str = "") -> dict[str, list[dict[str, str]]]:
        book = str(self.config.options.get("accounting_book", ""))
        return self.suiteql.journals(self.masters.columns, keys=[j.key for j in journals], id_=id_, book=book)

    def _compared(self, journal: JournalDocument, rows: Rows, searched_at: dt.datetime) -> Posted | Rejected:
        id_, document = rows[0]["id"], rows[0].get("tranid", "")
        wrong = mapping.differences(
            mapping.signature_of(journal, self.segments), mapping.signature_of_rows(rows, self.segments)
        )
        # At another rate every line differs; what is told is the rate.
        wrong += mapping.rate_difference(journal, rows) or mapping.functional_differences(
            journal, rows, self.segments, int(self.config.options.get("functional_tolerance_minor", 0))
        )
        if rows[0].get("externalid", "") != journal.key:
            wrong.append(f"external id {rows[0].get('externalid') or 'empty'}, so that it is not found again")
        if wrong:
            return self._differs(
                f"NetSuite holds {document} under {journal.key} with other content: {'; '.join(wrong)}",
                id_, "content_differs",
            )  # fmt: skip
        if rows[0].get("posting") == "F":
            return self._differs(
                f"{document} is in NetSuite and waits for approval there: nothing is posted yet", id_,
                "pending_approval",
            )  # fmt: skip
        compared = {"date": journal.effective_on.isoformat(), "lines": len(rows), "at": searched_at.isoformat()}
        if journal.functional_currency:
            compared["functional amounts"] = journal.functional_currency
        return Posted(
            reference=id_, document=document, also=rows[0].get("transactionnumber", ""), found=True,
            proof={"found_at": searched_at.isoformat(), "compared": compared},
        )  # fmt: skip

    def _differs(self, text: str, id_: str, condition: str) -> Rejected:
        blocker = Blocker(
            connection=self.config.name, object_type="journal_entry", object_key=id_, condition=condition
        )  # fmt: skip
        return Rejected(reason=Reason.CONTENT_DIFFERS, text=text, blocker=blocker, held=True)

    def still_blocked(self, blocker: Blocker) -> bool | None:
        try:
            if blocker.object_type == "journal_entry":
                return self._entry_blocked(blocker)
            return checks.still_blocked(self.masters, blocker, self.segments)
        except ReadRefused:
            return None

    def _entry_blocked(self, blocker: Blocker) -> bool | None:
        """An entry that is gone or approved is out of the way; of another content only a comparison can tell."""
        rows = self.suiteql.first(f"SELECT id, posting FROM transaction WHERE id = {literal(blocker.object_key)}")
        if not rows:
            return False
        return rows[0].get("posting") == "F" if blocker.condition == "pending_approval" else None

    def known(self, kind: str, names: Sequence[str]) -> dict[str, str] | Rejected | Unavailable:
        table = kind if kind == "item" else self.segments.get(kind)
        if table is None or not names:
            return {}
        try:
            found = self.masters.find(table, names, fresh=True)
        except ReadRefused as refused:
            return refused.outcome
        return {
            name: "missing" if name not in found else "active" if checks.is_usable(found[name]) else "inactive"
            for name in names
        }

    # Customers

    def put_customer(self, customer: CustomerDocument, key: str) -> Outcome:
        body = mapping.customer_body(customer, key)
        try:
            subsidiaries = self.masters.find("subsidiary", [customer.legal_entity])
            currencies = self.masters.find("currency", [customer.currency])
        except ReadRefused as refused:
            return refused.outcome
        body["subsidiary"] = reference(subsidiaries.get(customer.legal_entity), customer.legal_entity)
        body["currency"] = reference(currencies.get(customer.currency), customer.currency)
        if customer.parent:
            body["parent"] = {"externalId": customer.parent}
        answer = self._written("customer", body)
        if not isinstance(answer, Answer):
            return answer
        if answer.ok:
            id_ = answer.headers.get("Location", "").rstrip("/").rpartition("/")[2]
            return Posted(reference=id_, document=customer.key, proof={"posted_at": clock.now().isoformat()})
        if refusals.is_duplicate(answer):
            return read_after_send(self.find_customer(customer, key), refusals.text_of(answer))
        outcome = refusals.outcome_of(answer, Reason.CUSTOMER_REFUSED)
        return self._customer_refused(customer, outcome)

    def _customer_refused(self, customer: CustomerDocument, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Rejected) or outcome.reason == Reason.CREDENTIALS_REFUSED:
            return outcome
        return Rejected(
            reason=Reason.CUSTOMER_REFUSED, text=outcome.text, code=outcome.code, field=outcome.field,
            blocker=Blocker(
                connection=self.config.name, object_type="customer", object_key=customer.key, condition="refused"
            ),
        )  # fmt: skip

    def find_customer(self, customer: CustomerDocument, key: str) -> Lookup:
        """One customer per system: the one that carries our customer key, whoever made it."""
        searched_at = clock.now()
        name = literal(customer.key)
        try:
            rows = self.suiteql.rows(
                "SELECT id, entityid, externalid, isinactive FROM customer "
                f"WHERE externalid = {name} OR entityid = {name} ORDER BY id"
            )
        except ReadRefused as refused:
            return refused.outcome
        rows.sort(key=lambda row: row.get("externalid") != customer.key)
        if not rows:
            return NotFound(searched_at=searched_at)
        if rows[0].get("isinactive") == "T":
            blocker = Blocker(
                connection=self.config.name, object_type="customer", object_key=customer.key, condition="inactive"
            )  # fmt: skip
            return Rejected(
                reason=Reason.CUSTOMER_INACTIVE, text=f"Customer {customer.key} is inactive in NetSuite",
                blocker=blocker, held=True,
            )  # fmt: skip
        return Posted(
            reference=rows[0]["id"], document=rows[0].get("entityid", ""), found=True,
            proof={"found_at": searched_at.isoformat()},
        )  # fmt: skip
