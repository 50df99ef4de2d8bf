"""An invoice bills days that its order covers. ORD-1 runs a year from 1 October 2026; it is 3 November."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions.models import Case
from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.events import OrderCancelRequested
from q2c.engine import run
from q2c.models import Invoice
from tests.engine.makers import case, order
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


def test_a_credit_may_be_for_any_day(company: Any) -> None:
    order()
    record(serves("INV-1", "2026-10-01", "2026-11-01"))
    record(serves("CR-1", "2026-09-01", "2026-10-01", -10_000))
    assert Invoice.objects.count() == 2


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
