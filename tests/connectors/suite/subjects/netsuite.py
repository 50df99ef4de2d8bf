"""NetSuite: journals, signed both ways, and customers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec.structs import replace

from q2c.connectors.netsuite.client import NetSuite
from q2c.connectors.outcomes import Blocker, Lookup, Outcome, Rejected, Unavailable
from q2c.contracts.documents import CustomerDocument, JournalDocument
from q2c.reasons import Reason
from tests.connectors.control import Control
from tests.connectors.netsuite import books
from tests.connectors.suite.cases import Expect
from tests.connectors.suite.subject import Ledger, Subject

_NO_BATCH = "synchronous REST takes one record per request"
_numbers = itertools.count(1)


class Journals(Ledger):
    name, vendor, operation = "netsuite journal by OAuth 2.0", "netsuite", "create_journal"
    declared: ClassVar[Mapping[str, str]] = {"partial failure": _NO_BATCH}
    oauth2 = "ES256"

    def seed(self, control: Control) -> None:
        control.seed(**books.group())

    def connect(self, **config: Any) -> NetSuite:
        return books.connect(oauth2=self.oauth2, **config)

    def document(self) -> JournalDocument:
        return books.journal(f"suite-{next(_numbers)}", functional_currency="USD")

    def other_content(self, document: JournalDocument) -> JournalDocument:
        return replace(document, lines=books.sale(125_001))

    def write(self, connector: NetSuite, document: JournalDocument) -> Outcome:
        return connector.post([document])[0]

    def look_up(self, connector: NetSuite, document: JournalDocument) -> Lookup:
        return connector.find([document])[0]

    def count(self, control: Control, document: JournalDocument) -> int:
        return len([each for each in control.records("journalEntry") if each["external_id"] == document.key])

    def check(self, connector: NetSuite, document: JournalDocument) -> Rejected | Unavailable | None:
        return connector.check([document])[0]

    def still_blocked(self, connector: NetSuite, blocker: Blocker) -> bool | None:
        return connector.still_blocked(blocker)

    def set_period(self, control: Control, *, closed: bool) -> None:
        control.edit("accountingPeriod", "Mar 2026", closed=closed)

    def set_dimension(self, control: Control, *, inactive: bool) -> None:
        control.edit("department", "CC-100", isInactive=inactive)

    def spoil(self, control: Control, document: JournalDocument, what: str) -> None:
        (record,) = [each for each in control.records("journalEntry") if each["external_id"] == document.key]
        body = record["body"]
        if what == "date":
            control.edit("journalEntry", record["id"], tranDate="2026-03-31")
            return
        if what == "rate":
            control.edit("journalEntry", record["id"], exchangeRate=2)
            return
        for line in body["line"]["items"]:
            if what == "dimension":
                line.pop("department", None)
            for side in {"debit", "credit"} & set(line) if what == "amount" else ():
                line[side] += 10
        control.edit("journalEntry", record["id"], line=body["line"])

    def spoil_next(self, control: Control, what: str) -> None:
        control.do("quirk", name={"date": "moves_date", "dimension": "drops_department"}[what], times=1)


class SignedJournals(Journals):
    name = "netsuite journal by token"
    oauth2 = ""
    expected: ClassVar[Mapping[str, Expect]] = {
        # There is no token to renew: each request is signed with the credentials themselves.
        "token expired once": Expect(said=Rejected, reason=Reason.CREDENTIALS_REFUSED, documents="none"),
    }


class Customers(Subject):
    name, vendor, operation = "netsuite customer", "netsuite", "create_customer"
    declared: ClassVar[Mapping[str, str]] = {
        "partial failure": _NO_BATCH,
        "same key, other content": "a customer is the one that carries the key: people change its name and address",
    }
    expected: ClassVar[Mapping[str, Expect]] = {
        "search lag": Expect(said="done"),
        "business failure": Expect(said=Rejected, reason=Reason.CUSTOMER_REFUSED, documents="none"),
    }

    def seed(self, control: Control) -> None:
        control.seed(**books.group())

    def connect(self, **config: Any) -> NetSuite:
        return books.connect(oauth2="ES256", **config)

    def document(self) -> CustomerDocument:
        return books.customer(f"C-{next(_numbers)}000", parent="C-1")

    def write(self, connector: NetSuite, document: CustomerDocument) -> Outcome:
        return connector.put_customer(document, f"key-{document.key}")

    def look_up(self, connector: NetSuite, document: CustomerDocument) -> Lookup:
        return connector.find_customer(document, f"key-{document.key}")

    def count(self, control: Control, document: CustomerDocument) -> int:
        return len([each for each in control.records("customer") if each["external_id"] == document.key])


SUBJECTS = (Journals(), SignedJournals(), Customers())
