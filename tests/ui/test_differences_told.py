"""What is recorded and stands in the books otherwise than in billing is told at the close until it is settled.

DE01 sells O-1 to Acme on 3 November 2026; INV-1 is booked and posted.
"""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from typing import Any

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from exceptions.models import Approval, Case
from ledger.models import JournalEntry
from q2c import clock, keys
from q2c.connectors.outcomes import Rejected
from q2c.connectors.ports import NOT_POSTED
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.events import JournalReversalRequested
from q2c.engine import desk
from q2c.engine.sources import Invoices
from q2c.models import Connection, Invoice, Order
from q2c.reading import given_up, what_stays
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.ui.people import boss, page, person, read, signed_in
from tests.ui.test_given_up_told import ALL, NOW, asked, closing, give_up

pytestmark = pytest.mark.django_db
LOST = "1 invoice: posted in billing, not in the books"
CHANGED = "1 invoice: booked otherwise than billing has it"
CANCELLED = "1 invoice: in the books, not in billing"


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


@pytest.fixture
def invoice() -> Invoice:
    make.company()
    return make.through("O-1", "INV-1").invoices.get()


def turn(entry: JournalEntry) -> JournalEntry:
    """The entry is reversed with two persons, and its mirror posted."""
    asked = JournalReversalRequested(journal_id=str(entry.id), effective_on=clock.today(), reason="booked wrongly")
    make.arrive("JournalReversalRequested", "urn:test", str(keys.new_id()), asked)
    make.run("reverse_journal")
    signer = person(f"sig{entry.number}", *(f"exceptions.{right}" for right in ALL), "ledger.reverse_journalentry")
    desk.approve(signer, [Approval.objects.get(state="requested").id])
    make.run("reverse_journal")
    make.run("post_journal")
    return JournalEntry.objects.get(reverses=entry, state="posted")


def booked() -> JournalEntry:
    return JournalEntry.objects.get(business_document="invoice:INV-1", reverses=None)


def again(invoice: Invoice, version: str, minute: int, **changes: Any) -> None:
    """Billing gives the document once more, changed."""
    document = msgspec.structs.replace(stored.read(invoice.event.payload, InvoiceDocument), **changes)
    with clock.at(NOW + dt.timedelta(minutes=minute)):
        make.arrive("InvoiceIssued", make.BILLING, f"8adINV-1:{version}", document, invoice.correlation_id)
        make.run("record_invoice")


def dearer(invoice: Invoice, minor: int) -> dict[str, Any]:
    document = stored.read(invoice.event.payload, InvoiceDocument)
    first = document.lines[0]
    lines = (msgspec.structs.replace(first, net_minor=first.net_minor + minor), *document.lines[1:])
    return {"lines": lines, "total_minor": document.total_minor + minor}


def sums(kind: str) -> list[tuple[int, str]]:
    return given_up.of_open_months(boss_of())["DE01", "2026-11"].of(kind)


def boss_of() -> Any:
    return get_user_model().objects.filter(is_superuser=True).first() or boss()


def billing(invoice: Invoice) -> Invoices:
    """Billing as it is polled; what it is asked for is said by the test."""
    found = Invoices.__new__(Invoices)
    found.connection, found.name = Connection.objects.get(name="zuora"), invoice.source
    found.sender = type("Sender", (), {"actor": "poll:zuora", "system": invoice.source})()
    return found


def take_back(invoice: Invoice) -> None:
    refused = Rejected(reason=Reason.INVOICE_MISMATCH, text="INV-1 is Canceled", field=NOT_POSTED)
    billing(invoice).take_fetched(invoice.billing_reference, refused)


def test_a_reversed_invoice_is_told_until_billing_takes_it_back(invoice: Invoice) -> None:
    turn(booked())
    client = signed_in(boss_of())
    order = Order.objects.get()
    assert LOST in closing(client) and "(reversed)" in closing(client)
    assert sums("invoice") == [(invoice.total_minor, "EUR")]
    assert "1 invoice posted in billing, not in the books" in read(client, "/")
    shown = read(client, f"/orders/{order.id}")
    assert (
        "1 invoice stands apart: posted in billing, not in the books" in shown and "its journal was reversed" in shown
    )
    for address in ("/invoices", f"/invoices/{invoice.id}", f"/trace?q={invoice.account}"):
        assert "osted in" in read(client, address) and "not in the books" in read(client, address), address
    take_back(invoice)
    assert not Case.objects.filter(code="cancelled_in_billing").exists()
    assert LOST not in closing(client) and "not in the books" not in read(client, f"/orders/{order.id}")


def test_a_reversal_that_is_reversed_leaves_no_difference(invoice: Invoice) -> None:
    mirror = turn(booked())
    turn(mirror)
    assert not given_up.of_open_months(boss_of())


@pytest.mark.parametrize(("more", "said"), [(5_000, "50.00"), (0, "(the same total)")])
def test_what_billing_changed_after_it_was_booked_is_told_until_it_is_put_back(
    invoice: Invoice, more: int, said: str
) -> None:
    changes = dearer(invoice, more) if more else {"due_on": invoice.due_on + dt.timedelta(days=40)}
    again(invoice, "2", 1, **changes)
    assert CHANGED in closing(signed_in(boss_of())) and sums("changed") == [(more, "EUR")]
    case = give_up(Case.objects.get(reason="invoice_changed"))
    client = signed_in(boss_of())
    left = closing(client)
    assert CHANGED in left and said in left
    assert sums("changed") == [(more, "EUR")]
    assert "booked otherwise than billing has it" in read(client, "/")
    for address in (f"/orders/{invoice.order_id}", f"/invoices/{invoice.id}"):
        shown = read(client, address)
        assert "Booked otherwise than" in shown and case.shown in shown
    again(invoice, "3", 2)
    assert CHANGED not in closing(client)


def test_a_changed_invoice_whose_journal_is_reversed_is_lost_to_the_books(invoice: Invoice) -> None:
    again(invoice, "2", 1, **dearer(invoice, 5_000))
    give_up(Case.objects.get(reason="invoice_changed"))
    turn(booked())
    left = closing(signed_in(boss_of()))
    assert LOST in left and CHANGED not in left


def test_what_billing_took_back_is_told_with_its_case_and_once_that_is_closed(invoice: Invoice) -> None:
    take_back(invoice)
    case = Case.objects.get(code="cancelled_in_billing")
    client = signed_in(boss_of())
    assert CANCELLED in closing(client) and sums("cancelled") == [(-invoice.total_minor, "EUR")]
    open_ = read(client, f"/cases/{case.id}")
    assert "Billing has taken it back: the books have it" in open_ and "Nothing is booked" not in open_
    assert "it stays in the books here" in what_stays.will(case)
    give_up(case)
    assert "it stays in the books here" in (closed := read(client, f"/cases/{case.id}")) and "unreadable" not in closed
    assert CANCELLED in closing(client) and sums("cancelled") == [(-invoice.total_minor, "EUR")]
    assert "In the books, not in" in read(client, f"/invoices/{invoice.id}")
    assert "In the books, not in billing" in page(client, "/invoices")
    turn(booked())
    assert not given_up.of_open_months(boss_of())


@pytest.mark.parametrize(("more", "said"), [(5_000, "EUR +50.00"), (-5_000, "EUR -50.00"), (0, "none: the total is")])
def test_who_closes_what_billing_changed_reads_the_difference(invoice: Invoice, more: int, said: str) -> None:
    changes = dearer(invoice, more) if more else {"issued_on": invoice.issued_on + dt.timedelta(days=3)}
    again(invoice, "2", 1, **changes)
    case = Case.objects.get(reason="invoice_changed")
    assert (case.amount_minor, case.currency) == (more, "EUR")
    asked(case)
    client = signed_in(boss_of())
    worth = f"{invoice.total_minor / 100:,.2f}"
    now = f"{(invoice.total_minor + more) / 100:,.2f}"
    for address in ("/approvals", f"/cases/{case.id}"):
        shown = read(client, address).replace("\N{MINUS SIGN}", "-")
        for each in (f"Booked hereEUR {worth}", f"In billing nowEUR {now}", f"Difference{said}"):
            assert each in shown, (address, each)
    # In the card, and in the dialogs of the decision.
    assert read(client, "/approvals").count("In billing now") == 3
    head = read(client, f"/cases/{case.id}").split("Accounting impact")[1].split("Booked here")[0]
    assert worth not in head and "difference" in head
    assert f"difference to EUR {worth} booked" in read(client, "/queue?tab=awaiting_approval")


def as_then(case: Case) -> dict[str, Any]:
    """What the migrations told: a journal that was reversed came later."""
    differs = case.context["findings"][0]["differs"]
    return {name: value for name, value in differs.items() if name not in ("is_reversed", "turned")}


def migrated(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(getattr(import_module("q2c.migrations.0041_what_billing_changed_or_took_back"), name))
        cursor.execute(getattr(import_module("q2c.migrations.0047_what_billing_moved_or_took_back"), name))


def test_what_was_open_before_is_worth_its_difference_too(invoice: Invoice) -> None:
    again(invoice, "2", 1, **dearer(invoice, 5_000))
    told = as_then(Case.objects.get(reason="invoice_changed"))
    whole = {"findings": [{"reason": "invoice_changed", "text": "as it was kept"}]}
    Case.objects.update(amount_minor=invoice.total_minor + 5_000, context=whole)
    migrated("CHANGED")
    case = Case.objects.get(reason="invoice_changed")
    assert (case.amount_minor, case.context["findings"][0]["differs"]) == (5_000, told)


def test_what_billing_took_back_names_its_period_what_is_due_and_the_way_out(invoice: Invoice) -> None:
    take_back(invoice)
    case, entry = Case.objects.get(code="cancelled_in_billing"), booked()
    assert (case.reason, case.entity, case.period) == ("invoice_taken_back", "DE01", "2026-11")
    client = signed_in(boss_of())
    assert case.shown in read(client, "/queue?q=entity:DE01 period:2026-11")
    of_case, of_invoice = page(client, f"/cases/{case.id}"), page(client, f"/invoices/{invoice.id}")
    assert "asks a second person to approve the mirror entry" in of_case and "Credit and reissue" not in of_case
    assert f"Reverse journal {entry}" in of_case and f'href="/journals/{entry.id}"' in of_case
    assert "Reverse its journal" in of_invoice and f'href="/journals/{entry.id}"' in of_invoice
    said = read(client, f"/invoices/{invoice.id}")
    assert "Payment is due as said above" not in said
    worth = f"{invoice.total_minor / 100:,.2f}"
    assert f"By the books, EUR {worth} is due" in said and "by billing, nothing of it is owed" in said
    # Who may not reverse reads who may.
    mia = person("mia", "q2c.view_invoice", "ledger.view_journalentry")
    assert "ledger.reverse_journalentry" in page(signed_in(mia), f"/invoices/{invoice.id}")


def test_its_case_ends_as_its_journal_is_reversed(invoice: Invoice) -> None:
    take_back(invoice)
    mirror = turn(booked())
    case = Case.objects.get(code="cancelled_in_billing")
    assert (case.state, case.resolution, case.document) == ("resolved", "resolved_by_itself", mirror.document_number)
    client = signed_in(boss_of())
    assert "and billing has taken it back as well" in read(client, f"/invoices/{invoice.id}")
    assert "until its journal is reversed" not in read(client, f"/cases/{case.id}")
    # Restored, it is in the books and not in billing.
    turn(mirror)
    take_back(invoice)
    assert Case.objects.filter(code="cancelled_in_billing", state="open").count() == 1


def test_an_invoice_that_billing_changed_says_what_is_due_according_to_whom(invoice: Invoice) -> None:
    again(invoice, "2", 1, **dearer(invoice, 5_000), due_on=invoice.due_on + dt.timedelta(days=7))
    case, client = Case.objects.get(reason="invoice_changed"), signed_in(boss_of())
    said = read(client, f"/invoices/{invoice.id}")
    for each in ("Billing has changed it", "Booked hereEUR 62,120.00", "nowEUR 62,170.00", "DifferenceEUR +50.00"):
        assert each in said, each
    assert "By the books, EUR 62,120.00 is due" in said and "EUR 62,170.00 is due" in said
    assert "reverse its journal, then have billing void" in said and "Payment is due" not in said
    assert f"Reverse journal {booked()}" in page(client, f"/cases/{case.id}")
    give_up(case)
    assert "Billing has changed it" in read(client, f"/invoices/{invoice.id}")
    again(invoice, "3", 2)
    assert "Billing has changed it" not in (put_back := read(client, f"/invoices/{invoice.id}"))
    assert "Payment is due as said above" in put_back


def test_what_was_taken_back_before_has_its_period_too(invoice: Invoice) -> None:
    take_back(invoice)
    told = as_then(Case.objects.get())
    Case.objects.update(period="", reason="invoice_mismatch", amount_minor=invoice.total_minor, context={})
    migrated("TAKEN_BACK")
    case = Case.objects.get(code="cancelled_in_billing")
    assert (case.reason, case.period) == ("invoice_taken_back", "2026-11")
    assert (case.amount_minor, case.context["findings"][0]["differs"]) == (-invoice.total_minor, told)
