"""An invoice line is booked as its order line was accepted, whatever its product has become since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.connectors.outcomes import Rejected
from q2c.contracts.documents import InvoiceLine
from q2c.engine import replay, wake
from q2c.models import Invoice, ItemMapping, Order, Product, Step
from q2c.reasons import Reason
from q2c.ui import cause
from tests import flow_makers as make
from tests.past_guards import past_guards

pytestmark = pytest.mark.django_db(transaction=True)

JANUARY = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def january(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(wake, "send", None)
    with clock.at(JANUARY):
        make.company()
        yield


def booked(invoice: str) -> dict[str, tuple[str, int]]:
    """Account → product line and amount, of what is alive for the invoice; the receivable left out."""
    entry = JournalEntry.objects.exclude(state="superseded").get(business_document=f"invoice:{invoice}")
    rows = entry.lines.select_related("account").exclude(account__code__startswith="1")
    return {row.account.code: (row.dimensions.get("product_line", ""), row.amount_minor) for row in rows}


def change(code: str, **columns: str) -> None:
    """Sales ops, in the admin."""
    product = Product.objects.get(code=code)
    for name, value in columns.items():
        setattr(product, name, value)
    product.save()


def test_5_january_the_deal_is_accepted_on_4_february_its_product_changes_and_5_february_is_booked_as_it_was_sold():
    order = make.through()
    first = booked("INV-2001")
    assert first["2410"][0] == "subscription" and "4010" not in first
    with clock.at(JANUARY + dt.timedelta(days=30)):
        change("PLATFORM", revenue_treatment="usage_as_billed", product_line="usage")
        make.bill(order, "INV-2002", tax_minor=0)
    with clock.at(JANUARY + dt.timedelta(days=31)):
        make.run("record_invoice")
        make.run("post_journal")
    assert booked("INV-2002") == {"2410": ("subscription", -order.lines.get(line=1).amount_minor // 3)}
    assert not Case.objects.exists() and Invoice.objects.get(number="INV-2002").state == "posted"
    # A deal that says what the old one said meets the product as it is now.
    make.deal("O-1002")
    make.run("accept_order")
    assert Case.objects.get().reason == "revenue_treatment_mismatch"


@pytest.mark.parametrize(
    ("product", "kind", "account", "line"),
    [("ONBOARDING", "one_time", "2420", "implementation"), ("API-CALLS", "usage", "4030", "usage")],
)
def test_what_is_billed_once_or_was_used_keeps_its_terms_too(product: str, kind: Any, account: str, line: str) -> None:
    make.deal("O-1001")
    make.run("accept_order")
    change(product, revenue_treatment="ratable_daily", product_line="subscription")
    order = Order.objects.get()
    one = InvoiceLine(
        line=1, product=product, kind=kind, quantity="100000", net_minor=1_000, service_starts_on=dt.date(2026, 1, 5),
        service_ends_on=dt.date(2026, 2, 5),
    )  # fmt: skip
    make.bill(order, "INV-1", lines=[one])
    make.run("record_invoice")
    assert list(booked("INV-1").values()) == [(line, -1_000)], Case.objects.values_list("text", flat=True)
    assert list(booked("INV-1")) == [account]


def test_a_line_that_was_sold_in_no_product_line_gets_one_by_its_item_mapping() -> None:
    change("API-CALLS", product_line="")
    make.deal("O-1001")
    make.run("accept_order")
    used = InvoiceLine(
        line=1, product="API-CALLS", kind="usage", quantity="100000", net_minor=1_000,
        service_starts_on=dt.date(2026, 1, 5), service_ends_on=dt.date(2026, 2, 5),
    )  # fmt: skip
    make.bill(Order.objects.get(), "INV-1", lines=[used])
    make.run("record_invoice")
    case = Case.objects.get()
    assert (case.reason, case.field) == ("dimension_missing", "/lines/1/dimensions/product_line")
    fix = cause.fix_of(case)
    assert fix is not None and fix.label == "Open the item mapping of API-CALLS"
    change("API-CALLS", product_line="usage")
    (dry,) = replay.dry_run([case.step_id])
    assert [found["reason"] for found in dry.findings] == ["dimension_missing"], "it was sold without one"
    for mapping in ItemMapping.objects.filter(product__code="API-CALLS"):
        mapping.dimensions |= {"product_line": "usage"}
        mapping.save()
    replay.replay([case.step_id], "ann")
    make.run("record_invoice")
    assert booked("INV-1") == {"4030": ("usage", -1_000)}


def test_a_blocked_journal_and_the_dry_run_of_its_replay_keep_to_the_order():
    order = make.through()
    make.bill(order, "INV-2002", tax_minor=0)
    make.run("record_invoice")
    make.run("post_journal", lambda work: Rejected(reason=Reason.DIMENSION_INACTIVE, text="CC-410 is inactive"))
    before = booked("INV-2002")
    change("PLATFORM", revenue_treatment="usage_as_billed", product_line="usage")
    for mapping in ItemMapping.objects.filter(product__code="PLATFORM"):
        mapping.dimensions = {"cost_center": "CC-300"}
        mapping.save()
    replay.replay(list(Step.objects.filter(state="failed").values_list("id", flat=True)), "ann")
    make.run("post_journal")
    # The cost centre is today's: that is what was mended. What was sold is not.
    assert booked("INV-2002") == before
    entry = JournalEntry.objects.get(business_document="invoice:INV-2002", state="posted")
    assert entry.generation == 2 and entry.lines.filter(dimensions__cost_center="CC-300").exists()


FIRST, SECOND = "ratable_monthly", "ratable_daily"


@pytest.mark.parametrize(
    ("days", "treatment"),
    [
        (("2026-01-05", "2026-07-05"), FIRST),
        (("2027-01-05", "2027-07-05"), SECOND),
        # Billed by calendar month, over the end of the first and the beginning of the second.
        (("2026-12-05", "2027-02-05"), None),
    ],
)
def test_of_several_lines_on_different_terms_the_days_that_are_billed_say_which(days: Any, treatment: Any) -> None:
    order = _in_two_lines()
    starts, ends = (dt.date.fromisoformat(day) for day in days)
    line = InvoiceLine(
        line=1, product="PLATFORM", kind="recurring", quantity="100", service_starts_on=starts, service_ends_on=ends,
        net_minor=100_000,
    )  # fmt: skip
    make.bill(order, "INV-1", lines=[line])
    make.run("record_invoice")
    if treatment:
        rules = JournalEntry.objects.get().rules_used
        assert f"invoice deferred, {treatment} v1" in rules
        return
    case = Case.objects.get()
    assert (case.reason, case.field, JournalEntry.objects.count()) == (
        "invoice_mismatch", "/lines/0/service_starts_on", 0
    )  # fmt: skip
    assert "ratable monthly of subscription (line 1) and ratable daily of subscription (line 4)" in case.text
    assert "the days that line 1 of invoice INV-1 bills do not say which of them it is" in case.text
    (dry,) = replay.dry_run([case.step_id])
    assert [found["reason"] for found in dry.findings] == ["invoice_mismatch"]


def _in_two_lines() -> Order:
    """A year ratable by month, the next one ratable by day: no deal is accepted so, but data may hold it."""
    make.deal("O-1001")
    make.run("accept_order")
    order, document = Order.objects.get(), make.order_document("O-1001")
    platform, fee, usage = document.lines
    one, two = platform.phases
    lines = (replace(platform, phases=(one,)), fee, usage, replace(platform, line=4, phases=(two,)))
    (row,) = order.lines.filter(line=1)
    row.pk, row.line, row.revenue_treatment = None, 4, SECOND
    with past_guards():
        row.save(force_insert=True)
        told = msgspec.json.encode(replace(document, lines=lines)).decode()
        Order.objects.filter(id=order.id).update(document=told)
    return Order.objects.get()
