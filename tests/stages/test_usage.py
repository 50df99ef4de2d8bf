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
    assert " too much" in case("CR-2").text and "credits" in case("CR-2").text


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


INCLUDED = UsageTerms(
    meter="calls", included_quantity="1000", tiers=(PriceTier(up_to="1000", unit_price="0.10"), PriceTier(unit_price="0.05"))
)  # fmt: skip


def terms(order_: Order, *each: UsageTerms, **billing: Any) -> None:
    """Sold on these terms, an order line for each."""
    lines = [
        OrderLine(
            line=2 + i, product="API-CALLS", group="G1", kind="usage", amount_minor=0, usage=one,
            billing=Billing(**({"frequency": "monthly"} | billing)), revenue_treatment="usage_as_billed",
        )
        for i, one in enumerate(each)
    ]  # fmt: skip
    with past_guards():
        for line in lines[1:]:
            row = order_.lines.get(line=2)
            row.pk, row.line = None, line.line
            row.save(force_insert=True)
        Order.objects.filter(id=order_.id).update(document=msgspec.json.encode({"lines": lines}).decode())


@pytest.mark.parametrize(
    ("quantity", "net", "fits"),
    [
        # Within what is included, at the first tier, at the second.
        ("1000", 0, True),
        ("1000", 10_000, False),
        ("900", 9_000, False),
        ("2000", 10_000, True),
        ("2000", 10_003, False),
        ("3000", 15_000, True),
        ("3000", 20_000, False),
        # Less is no concern.
        ("3000", 100, True),
    ],
)
def test_usage_costs_what_its_terms_make_it(sold: Order, quantity: str, net: int, fits: bool) -> None:
    terms(sold, INCLUDED)
    record(usage("INV-1", 1, 31, net, quantity))
    assert Invoice.objects.exists() is fits
    if not fits:
        assert (case("INV-1").reason, case("INV-1").field) == (Reason.INVOICE_APPROVAL_REQUIRED, "/lines/0/net_minor")


def test_both_amounts_are_told_and_a_second_person_may_let_it_pass(sold: Order) -> None:
    terms(sold, INCLUDED)
    record(usage("INV-1", 1, 31, 20_000, "3000"))
    assert case("INV-1").text == (
        "Invoice INV-1 bills EUR 200.00 of usage of API-CALLS; by the terms of order ORD-1, 3,000 of it from 2026-10-01 "
        "until 2026-10-31 cost EUR 150.00"
    )
    asked = Approval.objects.get()
    (finding,) = asked.data["findings"]
    assert (finding["measure"]["value"], finding["measure"]["limit"]) == ("200.00", "150.00")
    desk.approve(person("cleo"), [asked.id], "as agreed by mail")
    run.drain("record_invoice")
    assert Invoice.objects.get().total_minor == 20_000


def test_what_was_billed_of_the_period_before_counts_on(sold: Order) -> None:
    """1,000 are included once in October, whoever bills its days in how many parts; November includes its own."""
    terms(sold, INCLUDED)
    record(usage("INV-1", 1, 10, 0, "800"), usage("INV-2", 10, 20, 7_000, "900"))
    assert Invoice.objects.count() == 2
    # 1,700 were used: 300 are left of the first tier.
    record(usage("INV-3", 20, 31, 4_003 + 5, "500"))
    assert (
        "500 of it from 2026-10-20 until 2026-10-31, after 1,700 billed for the same period, cost EUR 40.00"
        in case("INV-3").text
    )
    record(usage("INV-4", 20, 31, 4_000, "500"))
    november = replace(
        usage("INV-5", 1, 2, 0).lines[0], quantity="1200", net_minor=2_010, service_starts_on=dt.date(2026, 11, 1),
        service_ends_on=dt.date(2026, 12, 1),
    )  # fmt: skip
    record(replace(usage("INV-5", 1, 2, 2_010), lines=(november,)))
    assert Invoice.objects.count() == 3 and case("INV-5").reason == Reason.INVOICE_APPROVAL_REQUIRED
    record(replace(usage("INV-6", 1, 2, 2_000), lines=(replace(november, net_minor=2_000),)))
    assert Invoice.objects.filter(number="INV-6").exists()


def test_a_first_part_billed_too_low_opens_no_door(sold: Order) -> None:
    terms(sold, INCLUDED)
    record(usage("INV-1", 1, 10, 100, "90000"))
    record(usage("INV-2", 10, 20, 10_000, "100"))
    assert Invoice.objects.get().number == "INV-1" and "cost EUR 5.00" in case("INV-2").text


def test_lines_of_one_invoice_share_what_is_included(sold: Order) -> None:
    terms(sold, INCLUDED)
    first, second = usage("INV-1", 1, 10, 0, "600").lines[0], usage("INV-1", 10, 20, 4_000, "800").lines[0]
    record(replace(usage("INV-1", 1, 2, 4_000), lines=(first, replace(second, line=2))))
    assert Invoice.objects.get().number == "INV-1"
    dear = replace(second, line=2, net_minor=8_000, service_starts_on=dt.date(2026, 11, 10),
                   service_ends_on=dt.date(2026, 11, 20))  # fmt: skip
    early = replace(first, service_starts_on=dt.date(2026, 11, 1), service_ends_on=dt.date(2026, 11, 10))
    record(replace(usage("INV-2", 1, 2, 8_000), lines=(early, dear)))
    assert case("INV-2").field == "/lines/1/net_minor" and "1,400 of it" in case("INV-2").text


def test_what_is_taken_back_is_not_used_up(sold: Order) -> None:
    """Billed, credited whole and billed anew: the new bill has the same allowance, and no other."""
    terms(sold, INCLUDED)
    record(usage("INV-1", 1, 31, 10_000, "2000"))
    record(usage("CR-1", 1, 31, -10_000, "2000"))
    record(usage("INV-2", 1, 31, 20_000, "2000"))
    assert "cost EUR 100.00" in case("INV-2").text
    record(usage("INV-3", 1, 31, 9_900, "1990"))
    assert Invoice.objects.filter(number="INV-3").exists()


def test_where_several_lines_sell_it_each_is_a_whole_at_the_dearest(sold: Order) -> None:
    terms(sold, INCLUDED, UsageTerms(meter="calls", included_quantity="1000", tiers=(PriceTier(unit_price="0.20"),)))
    record(usage("INV-1", 1, 31, 10_000, "2000"), usage("INV-2", 1, 31, 20_000, "2000", charge="Calls, dear"))
    assert Invoice.objects.count() == 2
    lines = [replace(usage("INV-3", 1, 2, 100, "500").lines[0], service_starts_on=dt.date(2026, 11, 1),
                     service_ends_on=dt.date(2026, 12, 1))]  # fmt: skip
    record(replace(usage("INV-3", 1, 2, 100), lines=tuple(lines)))
    assert "cost EUR 0.00" in case("INV-3").text


def test_days_that_fill_several_periods_are_counted_as_one_or_evenly(sold: Order) -> None:
    """A quarter on monthly terms without allowance: 3,000 may be three times 1,000 at the first tier."""
    terms(sold, replace(INCLUDED, included_quantity="0"))
    quarter = replace(usage("INV-1", 1, 2, 30_000, "3000").lines[0], service_ends_on=dt.date(2027, 1, 1))
    record(replace(usage("INV-1", 1, 2, 30_000), lines=(quarter,)))
    assert Invoice.objects.exists()
    dear = replace(
        quarter, net_minor=30_003, service_starts_on=dt.date(2027, 1, 1), service_ends_on=dt.date(2027, 4, 1)
    )
    record(replace(usage("INV-2", 1, 2, 30_003), lines=(dear,)))
    assert "cost EUR 300.00" in case("INV-2").text
