"""Usage is metered by others: what it may bill. ORD-1 sold a year of PLATFORM for 1,200.00 and API calls at 0.002."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from exceptions.models import Approval, Case
from ledger.models import JournalEntry
from q2c.contracts.documents import Billing, InvoiceDocument, InvoiceLine, OrderLine, PriceTier, UsageTerms
from q2c.engine import desk, run
from q2c.models import CommercialPolicy, Invoice, ItemMapping, Order, Product
from q2c.models import OrderLine as Row
from q2c.reasons import Reason
from tests.engine.makers import case, order, person
from tests.past_guards import past_guards
from tests.stages.test_invoices_and_journals import SOUND, arrives, record

pytestmark = pytest.mark.django_db


@pytest.fixture
def sold(company: Any) -> Order:
    platform = Product.objects.get(code="PLATFORM")
    calls = Product.objects.create(
        code="API-CALLS", name="API calls", kind="usage", product_line="usage", revenue_treatment="usage_as_billed",
        tax_code=platform.tax_code,
    )  # fmt: skip
    for mapping in ItemMapping.objects.filter(product=platform):
        mapping.pk, mapping.product = None, calls
        mapping.save(force_insert=True)
    found = order()
    with past_guards():
        found.lines.update(amount_minor=120_000)
        Row.objects.create(
            order=found, line=2, group="G1", product="API-CALLS", kind="usage", quantity=1, unit_price=0,
            price_period="once", amount_minor=0, revenue_treatment="usage_as_billed",
            product_line="usage",
        )  # fmt: skip
    terms = OrderLine(
        line=2, product="API-CALLS", group="G1", kind="usage", amount_minor=0, billing=Billing(frequency="monthly"),
        usage=UsageTerms(meter="calls", tiers=(PriceTier(unit_price="0.002"),)), revenue_treatment="usage_as_billed",
    )  # fmt: skip
    with past_guards():
        Order.objects.filter(id=found.id).update(document=msgspec.json.encode({"lines": [terms]}).decode())
    return found


def usage(
    number: str, first: int, until: int, net: int, quantity: str = "99999999999", charge: str = "Calls"
) -> InvoiceDocument:
    line = InvoiceLine(
        line=1, product="API-CALLS", kind="usage", net_minor=net, quantity=quantity, charge=charge,
        service_starts_on=dt.date(2026, 10, first), service_ends_on=dt.date(2026, 10, until),
    )  # fmt: skip
    return replace(SOUND, invoice_number=number, billing_reference=number, lines=(line,), total_minor=net)


def test_usage_as_it_was_sold_is_booked(sold: Order) -> None:
    record(usage("INV-1", 1, 10, 100_000, "500000"), usage("INV-2", 10, 20, 50_000, "250000"))
    assert Invoice.objects.count() == JournalEntry.objects.count() == 2 and not Case.objects.exists()


@pytest.mark.parametrize(
    ("second", "reason", "pointer"),
    [
        (usage("INV-2", 1, 10, 10_000), Reason.INVOICE_DUPLICATE, "service_starts_on"),
        # Told later, for days that were billed before.
        (usage("INV-2", 1, 10, 4_000), Reason.INVOICE_APPROVAL_REQUIRED, "service_starts_on"),
        (usage("INV-2", 1, 9, 10_000), Reason.INVOICE_APPROVAL_REQUIRED, "service_starts_on"),
        (usage("INV-2", 1, 10, 10_000, charge="More calls"), Reason.INVOICE_APPROVAL_REQUIRED, "service_starts_on"),
        # 100,000 calls at 0.002 are 200.00.
        (usage("INV-2", 10, 20, 20_003, "100000"), Reason.INVOICE_APPROVAL_REQUIRED, "net_minor"),
        # More than all that was sold, and than ten times what was billed before.
        (usage("INV-2", 10, 20, 120_001), Reason.INVOICE_APPROVAL_REQUIRED, "net_minor"),
        (usage("CR-1", 1, 10, -10_003), Reason.INVOICE_MISMATCH, "net_minor"),
    ],
    ids=[
        "the same",
        "told later",
        "days of it",
        "another charge",
        "over its price",
        "out of proportion",
        "more back than billed",
    ],
)
def test_usage_that_nothing_explains_is_not_booked(
    sold: Order, second: InvoiceDocument, reason: Reason, pointer: str
) -> None:
    record(usage("INV-1", 1, 10, 10_000))
    record(second)
    stuck = case(second.invoice_number)
    assert (stuck.reason, stuck.field) == (reason, f"/lines/0/{pointer}")
    assert Invoice.objects.count() == JournalEntry.objects.count() == 1


def test_a_credit_takes_back_what_was_billed_and_no_more(sold: Order) -> None:
    record(usage("INV-1", 1, 10, 10_000))
    record(usage("CR-1", 1, 10, -10_000), usage("CR-2", 1, 10, -10_000))
    assert sorted(Invoice.objects.values_list("number", flat=True)) == ["CR-1", "INV-1"]
    assert "no more can be taken back than was billed" in case("CR-2").text


def test_ten_times_what_was_billed_before_is_in_proportion(sold: Order) -> None:
    record(usage("INV-1", 1, 10, 90_000))
    record(usage("INV-2", 10, 20, 900_000))
    assert Invoice.objects.count() == 2


def test_the_policy_of_the_entity_counts_and_a_second_person_may_let_it_pass(sold: Order) -> None:
    CommercialPolicy.objects.create(entity="DE01", usage_limit_percent=5)
    record(usage("INV-1", 1, 10, 6_001))
    asked = Approval.objects.get()
    (finding,) = asked.data["findings"]
    assert (finding["measure"]["value"], finding["measure"]["limit"]) == ("60.01", "60.00")
    desk.approve(person("cleo"), [asked.id], "a launch")
    run.drain("record_invoice")
    assert Invoice.objects.get().number == "INV-1" and case("INV-1").resolution == "fixed_by_replay"


def test_usage_in_many_lines_is_held_to_the_same_limit_as_in_one(sold: Order) -> None:
    days = [
        replace(usage("INV-1", first, first + 2, 30_001).lines[0], line=first, charge=f"Calls {first}")
        for first in (1, 3, 5, 7)
    ]
    record(replace(usage("INV-1", 1, 9, 0), lines=tuple(days), total_minor=120_004))
    (finding,) = Approval.objects.get().data["findings"]
    assert (finding["pointer"], finding["measure"]["value"]) == ("/lines/3/net_minor", "1200.04")
    assert not JournalEntry.objects.exists()


def test_refused_it_goes_to_billing_ops(sold: Order) -> None:
    record(usage("INV-1", 1, 10, 120_001))
    desk.refuse(person("cleo"), [Approval.objects.get().id], "the meter counted twice")
    assert (case("INV-1").state, case("INV-1").owner_team_id) == ("open", "billing-ops")
    arrives("InvoiceIssued", usage("INV-1", 1, 10, 60_000, "300000"), "again")
    run.drain("record_invoice")
    assert Invoice.objects.get().total_minor == 60_000


def test_where_nothing_but_usage_is_sold_the_first_of_it_wants_a_word(sold: Order) -> None:
    with past_guards():
        sold.lines.update(amount_minor=0)
    record(usage("INV-1", 1, 10, 100))
    desk.approve(person("cleo"), [Approval.objects.get().id], "metered as agreed")
    run.drain("record_invoice")
    record(usage("INV-2", 10, 20, 1_000), usage("INV-3", 20, 30, 10_001))
    assert sorted(Invoice.objects.values_list("number", flat=True)) == ["INV-1", "INV-2"]
    assert case("INV-3").reason == Reason.INVOICE_APPROVAL_REQUIRED
