"""An invoice bills days that its order covers. ORD-1 runs a year from 1 October 2026; it is 3 November."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions.models import Approval, Case
from q2c import clock
from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.events import OrderCancelRequested
from q2c.engine import desk, run
from q2c.models import Invoice
from tests.engine.makers import NOW, case, order, person
from tests.stages.test_invoices_and_journals import LINES, SOUND, arrives, record

pytestmark = pytest.mark.django_db


def serves(number: str, starts: str, ends: str, net: int = 10_000, **changes: Any) -> InvoiceDocument:
    days = {"service_starts_on": dt.date.fromisoformat(starts), "service_ends_on": dt.date.fromisoformat(ends)}
    line = replace(LINES[1], line=1, net_minor=net, **{**days, **changes})
    return replace(SOUND, invoice_number=number, billing_reference=number, lines=(line,), total_minor=net)


@pytest.mark.parametrize(
    ("starts", "ends", "fits"),
    [
        ("2026-10-01", "2026-11-01", True),
        ("2027-09-01", "2027-10-01", True),
        ("2026-09-30", "2026-10-31", False),
        ("2027-09-15", "2027-10-15", False),
        ("2031-06-01", "2032-06-01", False),
    ],
)
def test_days_within_the_term_are_billed_and_no_others(company: Any, starts: str, ends: str, fits: bool) -> None:
    order()
    record(serves("INV-1", starts, ends))
    assert Invoice.objects.exists() is fits
    if not fits:
        assert (case("INV-1").reason, case("INV-1").field) == ("invoice_mismatch", "/lines/0/service_starts_on")
        assert "order ORD-1 runs from 2026-10-01 until 2027-10-01" in case("INV-1").text


def test_a_credit_may_come_after_the_term_and_without_days(company: Any) -> None:
    order()
    record(serves("INV-1", "2026-10-01", "2026-11-01"))
    record(serves("CR-1", "2026-10-01", "2027-11-01", -4_000))
    record(serves("CR-2", "2026-10-01", "2026-11-01", -6_000, service_starts_on=None, service_ends_on=None))
    assert Invoice.objects.count() == 3


def test_a_line_is_of_the_kind_that_was_sold(company: Any) -> None:
    order()
    record(serves("INV-1", "2026-10-01", "2026-11-01", kind="one_time"))
    assert (case("INV-1").reason, case("INV-1").field) == ("invoice_mismatch", "/lines/0/kind")
    assert "makes it recurring" in case("INV-1").text


def test_a_cancelled_order_is_billed_for_what_was_before(company: Any) -> None:
    sold = order()
    arrives("OrderCancelRequested", OrderCancelRequested(
        order_number=sold.number, effective_on=dt.date(2026, 11, 1), reason="withdrawn"), "c-1", "back-office")  # fmt: skip
    run.drain("cancel_order")
    sold.refresh_from_db(fields=["number"])
    assert type(sold).objects.get().state == "cancelled"
    late = dt.date(2026, 11, 4)
    record(replace(serves("INV-1", "2026-10-01", "2026-11-01"), issued_on=late, due_on=late))
    record(replace(serves("INV-2", "2026-11-01", "2026-12-01"), issued_on=late, due_on=late))
    assert list(Invoice.objects.values_list("number", flat=True)) == ["INV-1"]
    assert "was cancelled as of 2026-11-01" in case("INV-2").text
    assert Case.objects.count() == 1


@pytest.mark.parametrize(
    ("issued_on", "starts", "ends", "net", "reason"),
    [
        ("2026-11-04", "2026-10-01", "2026-10-20", 10_000, None),
        # Whole, though it ended in the middle: some bill so and credit the rest, others keep it.
        ("2026-11-04", "2026-10-01", "2026-11-01", 10_000, "invoice_approval_required"),
        ("2026-11-04", "2026-10-01", "2027-10-01", 10_000, "invoice_approval_required"),
        ("2026-11-04", "2026-10-20", "2026-11-01", 10_000, "invoice_mismatch"),
        # Issued before anybody cancelled: what is too much is credited.
        ("2026-11-02", "2026-10-01", "2027-10-01", 10_000, None),
    ],
)
def test_what_a_cancelled_order_is_billed_beyond_its_end(
    company: Any, issued_on: str, starts: str, ends: str, net: int, reason: str | None
) -> None:
    sold = order()
    arrives("OrderCancelRequested", OrderCancelRequested(
        order_number=sold.number, effective_on=dt.date(2026, 10, 20), reason="withdrawn"), "c-1", "back-office")  # fmt: skip
    run.drain("cancel_order")
    day = dt.date.fromisoformat(issued_on)
    record(replace(serves("INV-1", starts, ends, net), issued_on=day, due_on=day))
    assert [case_.reason for case_ in Case.objects.all()] == ([reason] if reason else [])
    if reason == "invoice_approval_required":
        assert case("INV-1").field == "/lines/0/service_ends_on"
        assert "order ORD-1 was cancelled as of 2026-10-20" in case("INV-1").text
        desk.approve(person("cleo"), [Approval.objects.get().id], "no refund by contract")
        run.drain("record_invoice")
    assert Invoice.objects.exists() is (reason != "invoice_mismatch")


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        (31, None),
        (32, "invoice_approval_required"),
        (366, "invoice_approval_required"),
        (367, "invoice_mismatch"),
        (-30, None),
    ],
)
def test_an_invoice_is_dated_about_today(company: Any, days: int, reason: str | None) -> None:
    order()
    day = NOW.date() + dt.timedelta(days=days)
    record(replace(serves("INV-1", "2026-10-01", "2026-11-01"), issued_on=day, due_on=day))
    # Far ahead there may be no period either: the books say so once its date is signed.
    assert (Case.objects.get().reason if reason else None) == reason
    if reason:
        far = "a year" if days > 366 else "31 days"
        assert case("INV-1").field == "/issued_on" and f"is dated {day}, more than {far} ahead" in case("INV-1").text
    else:
        assert Invoice.objects.exists()


def test_who_signs_a_date_on_a_later_day_signs_it(company: Any) -> None:
    order()
    day = NOW.date() + dt.timedelta(days=40)
    record(replace(serves("INV-1", "2026-10-01", "2026-11-01"), issued_on=day, due_on=day))
    with clock.at(NOW + dt.timedelta(days=2)):
        desk.approve(person("cleo"), [Approval.objects.get().id], "meant")
        run.drain("record_invoice")
    assert Invoice.objects.get().issued_on == day and case("INV-1").resolution == "fixed_by_replay"
