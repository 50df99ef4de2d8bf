"""Each legal entity numbers its invoices itself: one order is billed by DE01 and by US01, and both bills are INV-1.

2 Mar 2026   Acme buys a year of PLATFORM for its German and for its American group, billed ahead: EUR 48,000.00 and
             USD 48,000.00 net. Both are booked and posted.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace as replace_of
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from msgspec.structs import replace

from exceptions.errors import NotPossible
from exceptions.models import Approval, Case
from ledger.models import FxRate, JournalEntry
from q2c import clock
from q2c.connectors.outcomes import About, Rejected
from q2c.connectors.ports import NOT_POSTED, InvoiceNotice
from q2c.contracts.documents import Address, InvoiceDocument, InvoiceGroup, InvoiceLine
from q2c.contracts.events import OrderCancelRequested
from q2c.engine import desk, requests
from q2c.engine.intake import Sender
from q2c.engine.sources import Invoices
from q2c.models import Connection, Invoice, Order
from q2c.money import Money
from q2c.reading import billing_now, credits_due, given_up, recorded_otherwise
from q2c.reading import invoice as invoice_page
from q2c.reasons import Reason
from q2c.stages import cancellation_credits
from q2c.stages.controls.calendar import add_months
from tests import flow_makers as make

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
FLOW = ("accept_order", "cancel_order", "sync_customer", "provision_billing", "activate_subscription")
BOTH = ("DE01", "US01")
REFUSED = Rejected(reason=Reason.INVOICE_MISMATCH, text="Invoice INV-1 is Canceled in zuora", field=NOT_POSTED)


def works() -> None:
    while sum(make.run(stage) for stage in FLOW):
        pass


def document(order: Order, entity: str) -> InvoiceDocument:
    group = order.groups.get(entity=entity)
    line = InvoiceLine(
        line=1, product="PLATFORM", kind="recurring", charge="Platform", quantity="100", net_minor=4_800_000,
        tax_minor=912_000, tax_code="SW", service_starts_on=order.starts_on,
        service_ends_on=add_months(order.starts_on, 12),
    )  # fmt: skip
    return InvoiceDocument(
        invoice_number="INV-1", billing_reference=f"8ad{entity}", account=f"{group.bill_to}-{group.currency}",
        order_number=order.number, group=group.key, subscription=f"S-{order.number}-{group.key}", legal_entity=entity,
        currency=group.currency, issued_on=NOW.date(), due_on=NOW.date() + dt.timedelta(days=30), lines=(line,),
        total_minor=5_712_000,
    )  # fmt: skip


@pytest.fixture
def order(db: None) -> Order:
    with clock.at(NOW):
        make.company()
        months = [add_months(dt.date(2025, 1, 1), month) for month in range(30)]
        FxRate.objects.bulk_create(FxRate(from_currency="USD", to_currency="EUR", on=on, rate="0.9") for on in months)
        one = make.order_document("O-1")
        american = InvoiceGroup(
            key="amer", region="AMER", bill_to=one.customer, ship_to=Address(country="US"), currency="USD"
        )
        more = [replace(line, line=10 + line.line, group="amer") for line in one.lines if line.kind != "usage"]
        sold = replace(one, groups=(*one.groups, american), lines=(*one.lines, *more))
        make.arrive("OrderReceived", make.SALES, "006O-1:1", sold)
        works()
        return Order.objects.get()


@pytest.fixture
def booked(order: Order) -> Order:
    with clock.at(NOW):
        for entity in BOTH:
            make.arrive("InvoiceIssued", "zuora", f"8ad{entity}:1", document(order, entity))
        make.run("record_invoice")
        make.run("post_journal")
    assert list(Invoice.objects.order_by("entity").values_list("entity", "state")) == [(e, "posted") for e in BOTH]
    return order


def boss(name: str = "ann") -> Any:
    users = get_user_model().objects
    return users.filter(username=name).first() or users.create_superuser(name, password="x")


def signs() -> None:
    """Somebody else signs what was asked for."""
    desk.approve(boss("bea"), [Approval.objects.get(state="requested").id], "as agreed")


def billing() -> Invoices:
    """Billing as it is asked; what it says to that is said by the test."""
    found = Invoices.__new__(Invoices)
    found.connection, found.name = Connection.objects.get(name="zuora"), "zuora"
    found.sender = Sender(system="zuora", actor="poll:zuora")
    return found


def cancelled_in_billing(way: str) -> None:
    """Both, one after the other: as they are called out, in two polls, or in one."""
    source = billing()
    source.fetch = lambda references: [REFUSED for _ in references]  # type: ignore[method-assign]
    notices = [InvoiceNotice(reference=f"8ad{entity}", invoice_number="INV-1", changed_at=NOW) for entity in BOTH]
    if way == "called out":
        for notice in notices:
            source.take_fetched(notice.reference, REFUSED)
    else:
        for some in (notices,) if way == "one poll" else ([one] for one in notices):
            source.take(some)


def told() -> list[tuple[str, str]]:
    rows = Case.objects.filter(code="cancelled_in_billing", state="open").order_by("entity")
    return list(rows.values_list("entity", "currency"))


@pytest.mark.parametrize("recorded", [BOTH, BOTH[:1], ()], ids=["both booked", "one on its way", "both on their way"])
def test_who_signs_the_cancellation_reads_what_both_are_worth(order: Order, recorded: tuple[str, ...]) -> None:
    with clock.at(NOW):
        for entity in BOTH:
            make.arrive("InvoiceIssued", "zuora", f"8ad{entity}:1", document(order, entity))
            if entity in recorded:
                make.run("record_invoice")
        assert cancellation_credits.credits(order, NOW.date()).worth == [
            Money(4_800_000, "EUR"),
            Money(4_800_000, "USD"),
        ]
        asked = OrderCancelRequested(order_number="O-1", effective_on=NOW.date(), reason="changed their mind")
        make.arrive("OrderCancelRequested", "office", "c-1", asked)
        make.run("cancel_order")
    (finding,) = Approval.objects.get().data["findings"]
    assert (
        "2 invoices (INV-1 of DE01 and INV-1 of US01) bill about EUR 48,000.00 and USD 48,000.00 net" in finding["text"]
    )
    assert finding["worth"] == [[4_800_000, "EUR"], [4_800_000, "USD"]]


@pytest.mark.parametrize("waits", BOTH)
def test_what_billing_owes_counts_both(order: Order, waits: str) -> None:
    """Cancelled as of its first day; the invoice of one entity is booked, that of the other has not come through."""
    with clock.at(NOW):
        asked = OrderCancelRequested(order_number="O-1", effective_on=NOW.date(), reason="changed their mind")
        make.arrive("OrderCancelRequested", "office", "c-1", asked)
        works()
        for entity in sorted(BOTH, key=lambda one: one == waits):
            make.arrive("InvoiceIssued", "zuora", f"8ad{entity}:1", document(order, entity))
            if entity != waits:
                make.run("record_invoice")
    due = credits_due.due(boss())
    assert Order.objects.get().state == "cancelled" and due.total.sums == [(4_800_000, "EUR"), (4_800_000, "USD")]


@pytest.mark.parametrize("way", ["called out", "one poll", "two polls"])
def test_billing_cancels_both_and_each_is_told(booked: Order, way: str) -> None:
    with clock.at(NOW):
        cancelled_in_billing(way)
        assert told() == [("DE01", "EUR"), ("US01", "USD")]
        # Each leads to its own journal.
        for case in Case.objects.filter(code="cancelled_in_billing"):
            there = billing_now.entry_of(case)
            assert there is not None and there.entry.entity.code == case.entity
        assert sorted(one.entity for one in recorded_otherwise.of(boss())) == ["DE01", "US01"]


def test_told_again_it_is_no_second_case(booked: Order) -> None:
    with clock.at(NOW):
        for way in ("called out", "two polls", "called out"):
            cancelled_in_billing(way)
        assert told() == [("DE01", "EUR"), ("US01", "USD")] and Case.objects.count() == 2


@pytest.mark.parametrize("entity", BOTH)
def test_called_out_by_its_number_it_is_the_one_that_billing_means(booked: Order, entity: str) -> None:
    """And a poll, which reads it by its id, tells no second time."""
    meant = replace_of(REFUSED, about=About(reference=f"8ad{entity}"))
    source, notice = billing(), InvoiceNotice(reference=f"8ad{entity}", invoice_number="INV-1", changed_at=NOW)
    source.fetch = lambda references: [meant for _ in references]  # type: ignore[method-assign]
    with clock.at(NOW):
        for _ in range(2):
            source.take_fetched("INV-1", meant)
            source.take([notice])
        assert [one for one, _ in told()] == [entity] and Case.objects.count() == 1
        assert Invoice.objects.get(taken_back_at__isnull=False).entity == entity


@pytest.mark.parametrize("back", BOTH)
def test_billing_posts_one_of_them_again_and_the_other_stays_told(booked: Order, back: str) -> None:
    (other,) = set(BOTH) - {back}
    with clock.at(NOW):
        cancelled_in_billing("called out")
        billing().take_fetched(f"8ad{back}", document(booked, back))
        assert [entity for entity, _ in told()] == [other]
        assert Invoice.objects.get(taken_back_at__isnull=False).entity == other
        # Closed without a fix it is told as a difference, with its own amount.
        desk.close_without_fix(boss(), [Case.objects.get(state="open").id], "settled by hand", "other")
        signs()
        (left,) = recorded_otherwise.of(boss())
        assert (left.entity, left.amount_minor) == (other, -5_712_000)
        for one in Invoice.objects.all():
            assert bool(given_up.of_invoice(boss(), one)) is (one.entity == other)


def test_each_journal_is_reversed_for_itself(booked: Order) -> None:
    """Both are asked for, neither is signed yet; asked for twice, one is under way."""
    with clock.at(NOW):
        cancelled_in_billing("called out")
        entries = [JournalEntry.objects.get(entity__code=entity) for entity in BOTH]
        for entry in entries:
            assert requests.reverse_journal(boss(), entry, NOW.date(), "cancelled there").status == "stored"
            with pytest.raises(NotPossible, match="is under way"):
                requests.reverse_journal(boss(), entry, NOW.date(), "cancelled there")
        make.run("reverse_journal")
        assert Approval.objects.filter(state="requested").count() == 2


def test_the_case_that_ends_is_that_of_the_journal_which_is_reversed(booked: Order) -> None:
    with clock.at(NOW):
        cancelled_in_billing("called out")
        entry = JournalEntry.objects.get(entity__code="US01")
        requests.reverse_journal(boss(), entry, NOW.date(), "cancelled there")
        make.run("reverse_journal")
        signs()
        make.run("reverse_journal")
        make.run("post_journal")
        assert [entity for entity, _ in told()] == ["DE01"]


def test_the_trace_tells_each_in_a_chapter_of_its_own(booked: Order) -> None:
    with clock.at(NOW):
        client = Client()
        client.force_login(boss())
        chapters = client.get("/trace?q=O-1").context["chapters"]
    told_of = [one for one in chapters if one.title == "Invoice INV-1"]
    assert sorted(one.amount for one in told_of if one.amount) == [(5_712_000, "EUR"), (5_712_000, "USD")]
    for one in told_of:
        assert [entry.link for entry in one.entries].count("Open it") == 1


def test_a_page_shows_the_steps_and_cases_of_its_own_invoice(booked: Order) -> None:
    with clock.at(NOW):
        cancelled_in_billing("called out")
        for one in Invoice.objects.all():
            shown = invoice_page.whole(boss(), one.id)
            assert shown is not None
            assert {step.entity for step in shown.steps} == {case.entity for case in shown.cases} == {one.entity}
