"""Tryton as ports.Journals and ports.Customers, through its REST door.

A journal is a move: made as a draft, then posted; both are transactions of their own. A draft that does not come to be
posted is deleted, since it would keep people from closing its period. Nothing there keeps two moves under one key
apart, unless the module q2c_reference is installed: so what may have been sent is searched until the platform's
longest write is over (`settle_s`), and sent again only then.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from typing import Any

from q2c import clock
from q2c.connectors.http import Answer, Lost, NotSent
from q2c.connectors.outcomes import (
    Blocker,
    Lookup,
    NotFound,
    Outcome,
    Posted,
    Rejected,
    Unavailable,
    Unknown,
    read_after_send,
)
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.tryton import checks, mapping
from q2c.connectors.tryton.door import Door, ReadRefused, Record, outcome_of, text_of
from q2c.connectors.tryton.masters import Masters, is_account_usable, is_open, is_value_usable
from q2c.contracts.documents import CustomerDocument, JournalDocument
from q2c.reasons import Reason

MOVE = "account.move"
# Locks are not waited for there: a post that met one is tried again at once, so many times.
POST_TRIES, POST_WAIT_S = 6, 0.05
REFERENCE = "q2c_reference"


class Tryton:
    """Credentials: key. Options: database, journal (code of the journal that is booked in; Q2C), roots (dimension →
    code of the analytic root that stands for it).
    """

    batch_max = 1

    def __init__(self, config: ConnectionConfig) -> None:
        self.config = config
        self.door = Door(config)
        self.roots = mapping.roots_of(config.options)
        self.masters = Masters(self.door, str(config.options.get("journal", "Q2C")))
        self._has_reference: bool | None = None

    def probe(self) -> Unavailable | Rejected | None:
        try:
            self.door.search("company.company", [["id", ">", 0]], ("id",))
        except ReadRefused as refused:
            return refused.outcome
        return None

    # Journals

    def check(self, journals: Sequence[JournalDocument], *, whole: bool = False) -> list[Rejected | Unavailable | None]:
        said: dict[str, Rejected | Unavailable | None] = {}
        for entity in {journal.entity for journal in journals}:
            ours = [journal for journal in journals if journal.entity == entity]
            try:
                found = checks.Found(self.masters, entity, ours, self.roots, fresh=whole)
            except ReadRefused as refused:
                said |= dict.fromkeys((journal.key for journal in ours), refused.outcome)
            else:
                said |= {journal.key: checks.finding(self.config.name, journal, found) for journal in ours}
        return [said[journal.key] for journal in journals]

    def post(self, journals: Sequence[JournalDocument]) -> list[Outcome]:
        return [self._post(journal) for journal in journals]

    def _post(self, journal: JournalDocument) -> Outcome:
        try:
            found = checks.Found(self.masters, journal.entity, [journal], self.roots)
            refused = checks.finding(self.config.name, journal, found)
            values = {} if refused else self._values(journal, found)
        except ReadRefused as unread:
            return unread.outcome
        if refused is not None:
            return refused
        if not self._has_reference:
            # Nothing there would refuse a second one.
            there = self.find([journal])[0]
            if not isinstance(there, NotFound):
                return there
        company, sent_at = found.company["id"], clock.now()
        try:
            answer = self.door.create(MOVE, values, company)
        except NotSent as error:
            return Unavailable(text=str(error))
        except Lost as error:
            return Unknown(text=str(error))
        if not answer.ok:
            return self._create_refused(journal, answer)
        draft = _id_of(answer)
        if draft is None:
            return Unknown(text="Tryton made a move and does not say which")
        return self._posted(journal, draft, company, sent_at)

    def _values(self, journal: JournalDocument, found: checks.Found) -> dict[str, Any]:
        values = mapping.move_of(journal, found)
        return values | {REFERENCE: journal.key} if self.has_reference() else values

    def has_reference(self) -> bool:
        """Whether the module that keeps our keys apart is installed. Raises ReadRefused."""
        if self._has_reference is None:
            domain = [["model.name", "=", MOVE], ["name", "=", REFERENCE]]
            self._has_reference = bool(self.door.search("ir.model.field", domain, ("id",)))
        return self._has_reference

    def _create_refused(self, journal: JournalDocument, answer: Answer) -> Outcome:
        outcome = outcome_of(answer)
        if not isinstance(outcome, Rejected) or outcome.reason == Reason.CREDENTIALS_REFUSED:
            return outcome
        if self._has_reference:
            # Whatever the sentence says: what is there under the key is the reason.
            there = self.find([journal])[0]
            if not isinstance(there, NotFound):
                return read_after_send(there, outcome.text)
        return self._explained(journal, outcome)

    def _posted(self, journal: JournalDocument, draft: int, company: int, sent_at: dt.datetime) -> Outcome:
        outcome: Outcome = Unknown(text=f"made as draft {draft}, and not posted yet")
        for attempt in range(POST_TRIES):
            try:
                answer = self.door.act(MOVE, draft, "post", company)
            except NotSent as error:
                outcome = Unavailable(text=str(error))
                break
            except Lost as error:
                return Unknown(text=f"made as draft {draft}: {error}")
            if answer.ok:
                return self._read_back(journal, draft, sent_at)
            outcome = outcome_of(answer)
            if not (isinstance(outcome, Unavailable) and answer.status == 503):
                break
            time.sleep(POST_WAIT_S * (attempt + 1))
        return self._not_posted(journal, draft, company, sent_at, outcome)

    def _not_posted(
        self, journal: JournalDocument, draft: int, company: int, sent_at: dt.datetime, outcome: Outcome
    ) -> Outcome:
        """What was not posted is deleted; what cannot be deleted is looked at: it may be posted after all."""
        if isinstance(outcome, Unknown):
            return outcome
        try:
            answer = self.door.delete(MOVE, draft, company)
        except (NotSent, Lost) as error:
            return Unknown(text=f"draft {draft} is left there, or not: {error}")
        if answer.ok or answer.status == 404:
            return self._explained(journal, outcome)
        there = self._read_back(journal, draft, sent_at)
        if isinstance(there, Unknown):
            return Unknown(text=f"draft {draft} could not be deleted: {text_of(answer)}")
        return there

    def _read_back(self, journal: JournalDocument, id_: int, sent_at: dt.datetime) -> Outcome:
        """Posted is what reads back as it was sent."""
        searched_at = clock.now()
        try:
            rows = self.door.search(MOVE, [["id", "=", id_]], mapping.FIELDS)
        except ReadRefused as refused:
            return Unknown(text=f"posted as {id_}, but it cannot be read back: {refused}")
        if not rows or rows[0]["state"] != "posted":
            return Unknown(text=f"made as {id_}, and not posted as far as can be read")
        found = self._compared(journal, rows[0], searched_at)
        if isinstance(found, Rejected):
            return found
        proof = {"posted_at": sent_at.isoformat(), "posted_as": str(id_), **found.proof}
        return Posted(reference=found.reference, document=found.document, proof=proof)

    def _explained(self, journal: JournalDocument, outcome: Outcome) -> Outcome:
        """A refusal says nothing that could be relied on: what stands in the way is read."""
        if not isinstance(outcome, Rejected) or outcome.reason == Reason.CREDENTIALS_REFUSED:
            return outcome
        try:
            found = checks.Found(self.masters, journal.entity, [journal], self.roots, fresh=True)
        except ReadRefused:
            return outcome
        known = checks.finding(self.config.name, journal, found)
        if known is None:
            return outcome
        text = f"{known.text}: {outcome.text}"
        return Rejected(reason=known.reason, text=text, code=outcome.code, field=known.field, blocker=known.blocker)

    def find(self, journals: Sequence[JournalDocument], *, only_reading: bool = False) -> list[Lookup]:
        """A draft of ours that is found was not posted, and is deleted: then there is nothing."""
        searched_at = clock.now()
        try:
            by_key = self._moves(journals)
        except ReadRefused as refused:
            return [refused.outcome] * len(journals)
        if only_reading:
            by_key = {key: [move for move in moves if move["state"] == "posted"] for key, moves in by_key.items()}
        return [self._found(journal, by_key.get(journal.key, []), searched_at) for journal in journals]

    def _moves(self, journals: Sequence[JournalDocument]) -> dict[str, list[Record]]:
        domain: list[Any] = ["OR", *([["description", "like", f"{_escaped(j.key)}%"]] for j in journals)]
        if self.has_reference():
            domain.append([[REFERENCE, "in", [j.key for j in journals]]])
        fields = (*mapping.FIELDS, REFERENCE) if self._has_reference else mapping.FIELDS
        found: dict[str, list[Record]] = {}
        for move in self.door.search(MOVE, [domain], fields):
            found.setdefault(str(move.get(REFERENCE) or mapping.key_of(move)), []).append(move)
        return found

    def _found(self, journal: JournalDocument, moves: Sequence[Record], searched_at: dt.datetime) -> Lookup:
        posted = [move for move in moves if move["state"] == "posted"]
        for draft in (move for move in moves if move["state"] != "posted"):
            try:
                answer = self.door.delete(MOVE, draft["id"], draft["company"])
            except (NotSent, Lost) as error:
                return Unavailable(text=f"draft {draft['id']} of {journal.key} could not be deleted: {error}")
            if not answer.ok and answer.status != 404:
                # It is being posted at this moment, or a lock is held: look again.
                return Unavailable(text=f"draft {draft['id']} of {journal.key} could not be deleted: {text_of(answer)}")
        if not posted:
            return NotFound(searched_at=searched_at)
        if len(posted) > 1:
            numbers = ", ".join(str(move["number"]) for move in posted)
            return self._differs(f"Tryton holds {len(posted)} moves under {journal.key}: {numbers}", posted[0]["id"])
        return self._compared(journal, posted[0], searched_at)

    def _compared(self, journal: JournalDocument, move: Record, searched_at: dt.datetime) -> Posted | Rejected:
        id_, number = move["id"], str(move.get("number") or "")
        wrong = mapping.differences(journal, move, self.roots)
        if mapping.key_of(move) != journal.key and move.get(REFERENCE) != journal.key:
            wrong.append(f"description {move.get('description') or 'empty'}, so that it is not found again")
        if wrong:
            return self._differs(
                f"Tryton holds {number} under {journal.key} with other content: {'; '.join(wrong)}", id_
            )
        compared = {
            "date": journal.effective_on.isoformat(),
            "lines": len(move["lines"]),
            "at": searched_at.isoformat(),
        }
        if journal.functional_currency:
            compared["functional amounts"] = journal.functional_currency
        return Posted(
            reference=str(id_), document=number, found=True,
            proof={"found_at": searched_at.isoformat(), "compared": compared},
        )  # fmt: skip

    def _differs(self, text: str, id_: int) -> Rejected:
        blocker = Blocker(
            connection=self.config.name, object_type="journal_entry", object_key=str(id_), condition="content_differs"
        )
        return Rejected(reason=Reason.CONTENT_DIFFERS, text=text, blocker=blocker, held=True)

    def still_blocked(self, blocker: Blocker) -> bool | None:
        try:
            return self._blocked(blocker)
        except ReadRefused:
            return None

    def _blocked(self, blocker: Blocker) -> bool | None:
        kind, (entity, _, key) = blocker.object_type, blocker.object_key.rpartition(":")
        if kind == "journal_entry":
            there = self.door.search(MOVE, [["id", "=", int(key)]], ("id",)) if key.isdigit() else []
            return None if there else False
        if kind == "customer":
            party = self.masters.parties([key], fresh=True).get(key)
            return party is None or not party.get("active")
        if kind in ("company", "journal", "currency"):
            return self._header_blocked(kind, key)
        company = self.masters.companies([entity], fresh=True).get(entity)
        if company is None:
            return True
        return self._of_company_blocked(company["id"], kind, key)

    def _header_blocked(self, kind: str, key: str) -> bool:
        if kind == "company":
            return key not in self.masters.companies([key], fresh=True)
        if kind == "currency":
            return key not in self.masters.currencies([key], fresh=True)
        journal = self.masters.journal(fresh=True)
        return journal is None or not journal.get("active", True)

    def _of_company_blocked(self, company: int, kind: str, key: str) -> bool | None:
        if kind == "fiscal_period":
            period = self.masters.period_named(company, key)
            return period is None or not is_open(period)
        if kind == "account":
            today = clock.today()
            account = self.masters.accounts(company, [key], today, fresh=True).get(key)
            return account is None or not is_account_usable(account, today)
        if kind not in self.roots:
            return None
        value = self.masters.values(company, self.roots[kind], [key], fresh=True).get(key)
        return value is None or not is_value_usable(value)

    def known(self, kind: str, names: Sequence[str]) -> Mapping[str, str] | Rejected | Unavailable:
        """Of every company's analytic accounts: active where one of them is."""
        if kind not in self.roots or not names:
            return {}
        domain = [["root.code", "=", self.roots[kind]], ["code", "in", list(names)], ["active", "in", [True, False]]]
        try:
            rows = self.door.search("analytic_account.account", domain, ("code", "active", "state", "type"))
        except ReadRefused as refused:
            return refused.outcome
        there = {row["code"] for row in rows}
        usable = {row["code"] for row in rows if is_value_usable(row)}
        return {n: "active" if n in usable else "inactive" if n in there else "missing" for n in names}

    # Customers

    def put_customer(self, customer: CustomerDocument, key: str) -> Outcome:
        """A party per customer, for all companies; its code is our customer key, which Tryton keeps apart."""
        there = self.find_customer(customer, key)
        if not isinstance(there, NotFound):
            return there
        try:
            answer = self.door.create("party.party", mapping.party_of(customer), self._company_of(customer))
        except ReadRefused as refused:
            return refused.outcome
        except NotSent as error:
            return Unavailable(text=str(error))
        except Lost as error:
            return Unknown(text=str(error))
        if answer.ok:
            return Posted(
                reference=str(_id_of(answer) or ""), document=customer.key, proof={"posted_at": clock.now().isoformat()}
            )
        outcome = outcome_of(answer)
        if isinstance(outcome, Rejected) and outcome.reason == Reason.JOURNAL_REFUSED:
            # Its code is unique there: another try of ours may have been first.
            there = self.find_customer(customer, key)
            if not isinstance(there, NotFound):
                return read_after_send(there, outcome.text)
            blocker = Blocker(
                connection=self.config.name, object_type="customer", object_key=customer.key, condition="refused"
            )
            return Rejected(reason=Reason.CUSTOMER_REFUSED, text=outcome.text, code=outcome.code, blocker=blocker)
        return outcome

    def _company_of(self, customer: CustomerDocument) -> int | None:
        company = self.masters.companies([customer.legal_entity]).get(customer.legal_entity)
        return int(company["id"]) if company else None

    def find_customer(self, customer: CustomerDocument, key: str) -> Lookup:
        searched_at = clock.now()
        try:
            party = self.masters.parties([customer.key], fresh=True).get(customer.key)
        except ReadRefused as refused:
            return refused.outcome
        if party is None:
            return NotFound(searched_at=searched_at)
        if not party.get("active"):
            blocker = Blocker(
                connection=self.config.name, object_type="customer", object_key=customer.key, condition="inactive"
            )
            return Rejected(
                reason=Reason.CUSTOMER_INACTIVE, text=f"Customer {customer.key} is inactive in Tryton", blocker=blocker,
                held=True,
            )  # fmt: skip
        return Posted(
            reference=str(party["id"]), document=customer.key, found=True, proof={"found_at": searched_at.isoformat()}
        )


def _id_of(answer: Answer) -> int | None:
    document = answer.json()
    id_ = document.get("id") if isinstance(document, dict) else None
    return id_ if isinstance(id_, int) else None


def _escaped(key: str) -> str:
    """For like: what stands for any letter stands for itself."""
    return key.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
