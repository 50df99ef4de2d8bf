"""An invoice is booked, billing then gives it so that it cannot be read, and two people give that up: it stays in sight.

DE01 sells O-1 to Acme on 3 November 2026; INV-1 is booked, then billing gives it with a due date before its issue.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.urls import reverse

from exceptions.models import Case
from ledger.models import FiscalPeriod, JournalEntry
from q2c import clock
from q2c.connectors.outcomes import About, Rejected
from q2c.connectors.ports import NOT_POSTED
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import after_all, callouts
from q2c.models import ApiKey, Invoice
from q2c.reading import close, left_open
from q2c.reading import given_up as differing
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.api.conftest import Caller
from tests.ui.people import boss, page, person, read, signed_in
from tests.ui.test_differences_told import turn
from tests.ui.test_given_up_told import NOW, closing, give_up
from tests.ui.test_unread_invoices import billing, overdue

pytestmark = pytest.mark.django_db
TOLD = "1 invoice: booked, and given up unread as billing has it by now"
NOVEMBER = ("DE01", "2026-11")


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(make, "BILLING", "zuora")
    with clock.at(NOW):
        make.company()
        yield


@pytest.fixture
def invoice() -> Invoice:
    return make.through("O-1", "INV-1").invoices.get()


def document_of(invoice: Invoice) -> InvoiceDocument:
    return stored.read(invoice.event.payload, InvoiceDocument)


def dearer(invoice: Invoice, minor: int) -> InvoiceDocument:
    document = document_of(invoice)
    first = document.lines[0]
    lines = (msgspec.structs.replace(first, net_minor=first.net_minor + minor), *document.lines[1:])
    return msgspec.structs.replace(document, lines=lines, total_minor=document.total_minor + minor)


def gives(invoice: Invoice, found: Any, minute: int = 0) -> str:
    with clock.at(NOW + dt.timedelta(minutes=minute)):
        told = billing().take_fetched(invoice.billing_reference, found)
        make.run("record_invoice")
        return told


def two_give_up(case: Case, minute: int = 0) -> Case:
    """Ann asks, bea agrees."""
    with clock.at(NOW + dt.timedelta(minutes=minute, seconds=30)):
        return give_up(case)


def rosa() -> Any:
    users = get_user_model().objects
    return users.filter(is_superuser=True).first() or boss()


def told(kind: str = "unread") -> list[Any]:
    months = differing.of_open_months(rosa())
    return months[NOVEMBER].found.get(kind, []) if NOVEMBER in months else []


@pytest.mark.parametrize("more", [0, 5_000])
def test_it_is_told_where_it_is_booked_with_whoever_gave_it_up(invoice: Invoice, more: int) -> None:
    gives(invoice, overdue(dearer(invoice, more)))
    assert told() == [], "somebody's open case"
    case = two_give_up(Case.objects.get())
    client = signed_in(rosa())
    left = closing(client)
    assert TOLD in left and f"INV-1 (given up unread by Ann and Bea, {case.shown})" in left
    assert TOLD not in closing(client, name="2026-10")
    tower = read(client, "/")
    assert f"(given up unread by Ann and Bea, {case.shown})" in tower
    (one,) = told()
    assert (one.amount_minor, one.currency, one.period) == (more, "EUR", "2026-11")
    for address in (f"/invoices/{invoice.id}", f"/orders/{invoice.order_id}", f"/trace?q={invoice.account}"):
        shown = read(client, address)
        assert "was given up unread by Ann and Bea" in shown and case.shown in shown, address
    on_invoice = read(client, f"/invoices/{invoice.id}")
    assert "what billing asks for by now could not be read" in on_invoice
    assert "Given up unread as billing has it" in page(client, "/invoices")
    assert "INV-1 stays in the books as it was recorded first; it is listed as given up unread" in read(
        client, f"/cases/{case.id}"
    )
    period = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-11")
    assert "given up unread as billing has it by now (INV-1, by Ann and Bea)" in left_open.of(rosa(), period)
    differences = read(client, reverse("differences", args=["DE01", "2026-11"]))
    assert "was given up unread by Ann and Bea" in differences and "Nothing differs" not in differences


@pytest.mark.parametrize("more", [0, 5_000, -5_000])
def test_while_it_is_open_it_is_worth_what_the_books_would_change_by(invoice: Invoice, more: int) -> None:
    """The whole of it stands in the books already, and is counted there."""
    gives(invoice, overdue(dearer(invoice, more)))
    case = Case.objects.get()
    assert (case.amount_minor, case.currency, case.context["total_minor"]) == (more, "EUR", invoice.total_minor + more)
    (blocked,) = close.blocked(rosa())
    assert (blocked.cases, dict(map(reversed, blocked.sums)).get("EUR", 0)) == (1, more)
    worth, now = f"{invoice.total_minor / 100:,.2f}", f"{(invoice.total_minor + more) / 100:,.2f}"
    client = signed_in(rosa())
    shown = read(client, f"/cases/{case.id}")
    assert f"Booked hereEUR {worth}" in shown and f"In billing nowEUR {now}" in shown
    assert f"difference to EUR {worth} booked" in read(client, "/queue")
    assert "The invoice is due before it is issued" in read(client, f"/cases/{case.id}?view=payload")


def test_what_was_open_before_is_worth_that_too(invoice: Invoice) -> None:
    gives(invoice, overdue(dearer(invoice, 5_000)))
    told_now = Case.objects.values_list("amount_minor", "context__total_minor").get()
    case = Case.objects.get()
    del case.context["total_minor"]
    Case.objects.update(amount_minor=invoice.total_minor + 5_000, context=case.context)
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute(import_module("q2c.migrations.0060_what_came_unreadable_of_what_is_booked").TOLD)
    assert Case.objects.values_list("amount_minor", "context__total_minor").get() == told_now


def test_of_one_whose_journal_is_reversed_all_of_it_is_missing(invoice: Invoice) -> None:
    turn(JournalEntry.objects.get(business_document="invoice:INV-1", reverses=None))
    gives(invoice, overdue(document_of(invoice)), 1)
    assert Case.objects.get(state="open").amount_minor == invoice.total_minor


def test_of_which_no_total_can_be_read_no_amount_is_made_up(invoice: Invoice) -> None:
    refused = Rejected(reason=Reason.EVENT_MALFORMED, text="no lines", about=About(number="INV-1"))
    gives(invoice, refused)
    two_give_up(Case.objects.get())
    client = signed_in(rosa())
    assert TOLD in closing(client) and [one.amount_minor for one in told()] == [None]
    assert "what it comes to there is not known" in read(client, f"/invoices/{invoice.id}")
    on_order = read(client, f"/orders/{invoice.order_id}")
    assert "booked, and given up unread as billing has it by now: see Invoices." in on_order


def test_as_it_was_booked_it_is_told_no_more_and_wrong_again_is_a_case(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = overdue(document_of(invoice))
    gives(invoice, document_of(invoice))
    gives(invoice, bad)
    case = two_give_up(Case.objects.get())
    gives(invoice, bad, 1)
    assert len(told()) == 1 and Case.objects.count() == 1
    # Somebody has it read again, and billing has put it right.
    asks = billing()
    monkeypatch.setattr(asks, "fetch", lambda references: [document_of(invoice) for _ in references])
    monkeypatch.setattr(callouts, "source_of", lambda connection: asks)
    zoe = person("zoe", "exceptions.view_case", "exceptions.replay_case")
    with clock.at(NOW + dt.timedelta(minutes=2)):
        after_all.ask(zoe, case.id, "it is put right there")
        callouts._fetch_of(asks.connection)
    assert told() == [] and TOLD not in closing(signed_in(rosa()))
    kinds = list(case.events.order_by("-id").values_list("kind", flat=True)[:2])
    assert kinds == ["readable_again", "asked_again"], "it is not said that nothing was settled"
    shown = read(signed_in(rosa()), f"/cases/{case.id}")
    assert "Can be read again" in shown and "it came again since" in shown
    gives(invoice, document_of(invoice), 3)
    assert case.events.filter(kind="readable_again").count() == 1
    gives(invoice, bad, 4)
    assert Case.objects.filter(state="open").count() == 1 and told() == []


def test_another_version_that_can_be_read_takes_its_place(invoice: Invoice) -> None:
    gives(invoice, overdue(document_of(invoice)))
    two_give_up(Case.objects.get())
    gives(invoice, dearer(invoice, 5_000), 1)
    assert told() == [] and [one.amount_minor for one in told("changed")] == [5_000]


def test_what_differs_already_is_told_once_and_names_what_cannot_be_read(invoice: Invoice) -> None:
    gives(invoice, dearer(invoice, 5_000))
    gives(invoice, overdue(document_of(invoice)), 1)
    case = two_give_up(Case.objects.get(step_id=None), 1)
    assert told() == [] and [one.again for one in told("changed")] == [case]
    shown = read(signed_in(rosa()), f"/invoices/{invoice.id}")
    assert f"came again since and cannot be read: {case.shown}" in shown


def test_taken_back_in_billing_it_is_told_as_that(invoice: Invoice) -> None:
    gives(invoice, overdue(document_of(invoice)))
    two_give_up(Case.objects.get())
    gives(invoice, Rejected(reason=Reason.INVOICE_MISMATCH, text="INV-1 is Canceled", field=NOT_POSTED), 1)
    assert told() == [] and len(told("cancelled")) == 1


def test_who_may_see_no_cases_is_told_of_it_and_of_nobody(invoice: Invoice) -> None:
    gives(invoice, overdue(document_of(invoice)))
    case = two_give_up(Case.objects.get())
    shown = read(signed_in(person("eve", "q2c.view_step", "q2c.view_invoice")), f"/invoices/{invoice.id}")
    assert "was given up unread" in shown and "Ann" not in shown and case.shown not in shown


def test_the_api_says_it_of_its_order(invoice: Invoice) -> None:
    gives(invoice, overdue(document_of(invoice)))
    case = two_give_up(Case.objects.get())
    scopes = ["q2c.view_order", "q2c.view_step", "q2c.view_invoice", "exceptions.view_case", "q2c.read_every_system"]
    body = Caller(ApiKey.make("auditor", scopes)[1]).get(f"/api/v1/orders/{invoice.order_id}").json()
    assert [(row["kind"], row["number"], row["case"]) for row in body["given_up"]] == [
        ("unread", "INV-1", str(case.id))
    ]
