"""Tryton: journals and customers, on a real one, through a gate where the switches strike."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec.structs import replace

from q2c.connectors.outcomes import Blocker, Lookup, Outcome, Rejected, Unavailable
from q2c.connectors.tryton.client import Tryton
from q2c.contracts.documents import CustomerDocument, JournalDocument
from q2c.local.tryton import DATABASE, REFERENCED
from q2c.reasons import Reason
from tests.connectors.control import Control
from tests.connectors.suite.cases import Expect
from tests.connectors.suite.subject import Ledger, Subject
from tests.connectors.tryton import documents, erp

_BUSY = Expect(said=Unavailable, reason=Reason.PLATFORM_BUSY, documents="none")
_REFUSED = Expect(said=Rejected, reason=Reason.CREDENTIALS_REFUSED, documents="none")
_numbers = itertools.count(1)


class Journals(Ledger):
    name, vendor, operation = "tryton journal", "tryton", "create_move"
    declared: ClassVar[Mapping[str, str]] = {
        "partial failure": "the REST door takes one move per request",
        "sent again before a late commit": "nothing there keeps two moves under one key apart: the engine waits",
    }
    expected: ClassVar[Mapping[str, Expect]] = {
        # Locks are not waited for there: 503 is its word for busy.
        "503": _BUSY,
        # A key is not renewed.
        "token expired once": _REFUSED,
    }

    database = DATABASE

    def seed(self, control: Control) -> None:
        control.seed(upstream=erp.tryton().url(self.database))
        if not erp.sql("SELECT 1 FROM party_party WHERE code = 'C-1'", (), self.database):
            documents.connect().put_customer(documents.customer(), "key")

    def connect(self, **config: Any) -> Tryton:
        return documents.connect(**config)

    def document(self) -> JournalDocument:
        return documents.journal(f"k{uuid.uuid4().hex}", currency="USD")

    def other_content(self, document: JournalDocument) -> JournalDocument:
        return replace(document, lines=documents.sale(125_100, "USD"))

    def write(self, connector: Tryton, document: JournalDocument) -> Outcome:
        return connector.post([document])[0]

    def look_up(self, connector: Tryton, document: JournalDocument) -> Lookup:
        return connector.find([document])[0]

    def count(self, control: Control, document: JournalDocument) -> int:
        return len(erp.moves(document.key, self.database))

    def check(self, connector: Tryton, document: JournalDocument) -> Rejected | Unavailable | None:
        return connector.check([document])[0]

    def still_blocked(self, connector: Tryton, blocker: Blocker) -> bool | None:
        return connector.still_blocked(blocker)

    def set_period(self, control: Control, *, closed: bool) -> None:
        greta = erp.Person(self.database)
        ids = greta.ids("account.period", ["name", "=", "2026-03"])
        greta.does("account.period", "close" if closed else "reopen", ids)
        if not closed:
            # Reopening a period does not reopen the journals in it.
            greta.does("account.journal.period", "reopen", greta.ids("account.journal.period", ["period", "in", ids]))

    def set_dimension(self, control: Control, *, inactive: bool) -> None:
        greta = erp.Person(self.database)
        every = ["active", "in", [True, False]]
        ids = greta.ids("analytic_account.account", ["code", "=", documents.DIMENSIONS["cost_center"]], every)
        greta.does("analytic_account.account", "write", ids, {"active": not inactive})

    def spoil(self, control: Control, document: JournalDocument, what: str) -> None:
        ((move, _, _),) = erp.moves(document.key, self.database)
        lines = "UPDATE account_move_line SET {} WHERE move = %s"
        changes = {
            "date": "UPDATE account_move SET date = '2026-03-31' WHERE id = %s",
            "amount": lines.format("amount_second_currency = amount_second_currency * 2"),
            "rate": lines.format("debit = debit * 2, credit = credit * 2"),
            "dimension": "DELETE FROM analytic_account_line WHERE move_line IN "
            "(SELECT id FROM account_move_line WHERE move = %s)",
        }
        erp.sql(changes[what], [move], self.database)

    def spoil_next(self, control: Control, what: str) -> None:
        control.do("quirk", name={"date": "moves_date", "dimension": "drops_analytic"}[what])


class ReferencedJournals(Journals):
    """With the module in Tryton that keeps our keys apart."""

    name = "tryton journal with a reference"
    declared: ClassVar[Mapping[str, str]] = {"partial failure": "the REST door takes one move per request"}
    database = REFERENCED


class Customers(Subject):
    name, vendor, operation = "tryton customer", "tryton", "create_party"
    declared: ClassVar[Mapping[str, str]] = {
        "partial failure": "the REST door takes one party per request",
        "same key, other content": "a customer is the one that carries the key: people change its name and address",
    }
    expected: ClassVar[Mapping[str, Expect]] = {
        "503": _BUSY, "token expired once": _REFUSED,
        "search lag": Expect(said="done"),
        "business failure": Expect(said=Rejected, reason=Reason.CUSTOMER_REFUSED, documents="none"),
    }  # fmt: skip

    def seed(self, control: Control) -> None:
        control.seed(upstream=erp.tryton().url())

    def connect(self, **config: Any) -> Tryton:
        return documents.connect(**config)

    def document(self) -> CustomerDocument:
        return documents.customer(f"C-{uuid.uuid4().hex[:8]}-{next(_numbers)}")

    def write(self, connector: Tryton, document: CustomerDocument) -> Outcome:
        return connector.put_customer(document, f"key-{document.key}")

    def look_up(self, connector: Tryton, document: CustomerDocument) -> Lookup:
        return connector.find_customer(document, f"key-{document.key}")

    def count(self, control: Control, document: CustomerDocument) -> int:
        return len(erp.sql("SELECT id FROM party_party WHERE code = %s", [document.key]))


SUBJECTS = (Journals(), ReferencedJournals(), Customers())
