"""Whoever signs what moves the books reads what it comes to in them, where a document is in another currency.

US01 keeps its books in US dollars and sells O-1 to Acme in euros, at 1.10, on 3 November 2026.
"""

from __future__ import annotations

import datetime as dt

import pytest

from exceptions.models import Approval, Case
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry, LegalEntity
from q2c import clock, keys
from q2c.connectors.outcomes import Rejected
from q2c.contracts.documents import Address, InvoiceGroup
from q2c.contracts.events import JournalReversalRequested
from q2c.engine import after_all, decisions, desk
from q2c.models import Order
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.ui.people import boss, person, read, signed_in
from tests.ui.test_given_up_told import ALL, NOW, give_up

pytestmark = pytest.mark.django_db
# Two months of the platform, and the tax.
NET, WORTH, IN_BOOKS = 400_000, "EUR 4,760.00", "USD 5,236.00"


@pytest.fixture
def order():
    with clock.at(NOW):
        make.company()
        LegalEntity.objects.update(allowed_currencies=["USD", "EUR"])
        group = InvoiceGroup(
            key="amer", region="AMER", bill_to="A-Acme", ship_to=Address(country="US"), currency="EUR"
        )  # fmt: skip
        yield make.through("O-1", "INV-1", region="AMER", currency="EUR", customer_key="A-Acme", groups=(group,))


def card() -> str:
    return read(signed_in(boss()), "/approvals")


def late(order: Order) -> None:
    november = FiscalPeriod.objects.get(entity__code="US01", subledger="receivables", name="2026-11")
    periods.close(november, by="carla", why="November is done")
    make.bill(order, "INV-2", net_minor=NET)
    make.run("record_invoice")
    ann = person("ann", *(f"exceptions.{right}" for right in ALL), "ledger.redate_journalentry")
    decisions.ask_to_redate(ann, Case.objects.get().id, dt.date(2026, 12, 1), "billed late")


def test_of_a_date_that_moves_both_amounts_are_told(order: Order) -> None:
    late(order)
    shown = card()
    assert f"{WORTH} {IN_BOOKS} in the books" in shown
    assert f"{WORTH}, in the books {IN_BOOKS}, then count in" in shown
    assert f", {WORTH}, in the books {IN_BOOKS}" in shown.partition("Approve INV-2")[2]
    assert "In the books, USD5,236.005,236.00" in shown.replace("USD ", "")
    # As it was signed it stays on its card.
    rights = (*(f"exceptions.{right}" for right in ALL), "ledger.redate_journalentry")
    desk.approve(person("cleo", *rights), [Approval.objects.get(state="requested").id])
    make.run("record_invoice")
    decided = read(signed_in(person("eve", "exceptions.view_case")), "/approvals?view=decided")
    assert f"{WORTH}, in the books {IN_BOOKS}, then count in" in decided


def test_of_two_requests_about_one_journal_each_is_told(order: Order) -> None:
    late(order)
    rights = (*(f"exceptions.{right}" for right in ALL), "ledger.redate_journalentry")
    cleo, dan = person("cleo", *rights), person("dan", *rights)
    desk.refuse(cleo, [Approval.objects.get(state="requested").id], "rather void it")
    decisions.ask_to_redate(dan, Case.objects.get().id, dt.date(2026, 12, 1), "it is owed")
    desk.refuse(cleo, [Approval.objects.get(state="requested").id], "rather void it")
    decided = read(signed_in(person("eve", "exceptions.view_case")), "/approvals?view=decided")
    assert decided.count(f"{WORTH}, in the books {IN_BOOKS}, then count in") == 2


def test_of_a_reversal_as_well_with_its_sign(order: Order) -> None:
    make.bill(order, "INV-2", net_minor=NET)
    make.run("record_invoice")
    make.run("post_journal")
    entry = JournalEntry.objects.get(business_document="invoice:INV-2")
    asked = JournalReversalRequested(journal_id=str(entry.id), effective_on=clock.today(), reason="booked wrongly")
    make.arrive("JournalReversalRequested", "urn:test", str(keys.new_id()), asked)
    make.run("reverse_journal")
    shown = card()
    assert "EUR −4,760.00 USD −5,236.00 in the books" in shown
    assert "In the books, USD5,236.005,236.00" in shown.replace("USD ", "")


def test_of_a_journal_that_is_posted_after_all(order: Order) -> None:
    make.bill(order, "INV-2", net_minor=NET)
    make.run("record_invoice")
    make.run("post_journal", lambda work: Rejected(reason=Reason.JOURNAL_REFUSED, text="no"))
    case = give_up(Case.objects.get())
    after_all.ask(person("ute", "exceptions.view_case", "exceptions.replay_case"), case.id, "it was sold")
    assert f"{WORTH} {IN_BOOKS} in the books" in card()


def test_of_an_invoice_that_waits_for_a_signature(order: Order) -> None:
    make.bill(order, "INV-2", net_minor=NET, issued_on=dt.date(2027, 1, 20))
    make.run("record_invoice")
    assert Approval.objects.get(state="requested").action == Reason.INVOICE_APPROVAL_REQUIRED
    assert f"{WORTH} {IN_BOOKS} in the books" in card()


def test_in_the_currency_of_the_books_nothing_is_told_twice() -> None:
    with clock.at(NOW):
        make.company()
        order = make.through("O-1", "INV-1")
        make.bill(order, "INV-2", net_minor=NET, issued_on=dt.date(2027, 1, 20))
        make.run("record_invoice")
        shown = card()
    assert WORTH in shown and "in the books" not in shown.split("To decide")[1]
