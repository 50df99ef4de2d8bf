"""The tax of an invoice beside what was estimated for its order: PLATFORM at 19 %, API calls without an estimate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions.models import Approval, Case
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import desk, run
from q2c.models import CommercialPolicy, Invoice, Order
from q2c.reasons import Reason
from tests.engine.makers import case, order, person
from tests.stages.test_invoices_and_journals import LINES, SOUND, record

pytestmark = pytest.mark.django_db


@pytest.fixture
def estimated(company: Any) -> Order:
    found = order(tax=19_000_000)
    assert found.lines.get().amount_minor == 100_000_000
    return found


def taxed(number: str, day: int, tax: int, net: int = 100_000) -> InvoiceDocument:
    line = replace(
        LINES[0], net_minor=net, tax_minor=tax, service_starts_on=dt.date(2026, 10, day),
        service_ends_on=dt.date(2026, 10, day + 1),
    )  # fmt: skip
    return replace(SOUND, invoice_number=number, billing_reference=number, lines=(line,), total_minor=net + tax)


@pytest.mark.parametrize(
    ("tax", "fits"),
    [(19_000, True), (17_995, True), (17_994, False), (20_005, True), (20_006, False), (0, False), (49_000, False)],
)
def test_tax_is_about_what_was_estimated(estimated: Order, tax: int, fits: bool) -> None:
    record(taxed("INV-1", 1, tax))
    assert Invoice.objects.exists() is fits
    if not fits:
        assert (case("INV-1").reason, case("INV-1").field) == (Reason.INVOICE_APPROVAL_REQUIRED, "/lines/0/tax_minor")
        assert "the estimate of order ORD-1 makes it 19 %" in case("INV-1").text


def test_cents_are_rounded_on_small_lines(estimated: Order) -> None:
    record(taxed("INV-1", 1, 4, net=10))
    assert Invoice.objects.get().tax_minor == 4


def small(number: str, nets: Sequence[int], taxes: Sequence[int]) -> InvoiceDocument:
    """A line for each day from 1 October on."""
    start = dt.date(2026, 10, 1)
    lines = tuple(
        replace(
            LINES[0], line=i + 1, net_minor=net, tax_minor=tax, service_starts_on=start + dt.timedelta(days=i),
            service_ends_on=start + dt.timedelta(days=i + 1),
        )
        for i, (net, tax) in enumerate(zip(nets, taxes, strict=True))
    )  # fmt: skip
    total = sum(nets) + sum(taxes)
    return replace(SOUND, invoice_number=number, billing_reference=number, lines=lines, total_minor=total)


def test_many_small_lines_make_no_room_for_rounding(company: Any) -> None:
    """Estimated at nothing: 40 lines of 0.10 bear 0.05 each. A signature on these cents is none on a rate of 50 %."""
    order(tax=0)
    record(small("INV-1", [10] * 40, [5] * 40))
    assert not Invoice.objects.exists() and case("INV-1").field == "/lines"
    (finding,) = Approval.objects.get().data["findings"]
    assert (finding["measure"]["value"], finding["measure"]["limit"]) == ("2.00", "0.09")
    desk.approve(person("cleo"), [Approval.objects.get().id], "cents")
    run.drain("record_invoice")
    assert Invoice.objects.get().number == "INV-1"
    later = replace(
        taxed("INV-2", 1, 50_000).lines[0], service_starts_on=dt.date(2026, 12, 1), service_ends_on=dt.date(2026, 12, 2)
    )
    record(replace(taxed("INV-2", 1, 50_000), lines=(later,)))
    assert Invoice.objects.count() == 1 and case("INV-2").field == "/lines/0/tax_minor"


def test_what_is_rounded_up_and_down_is_right_as_a_whole(estimated: Order) -> None:
    record(small("INV-1", [12] * 20, [1, 4] * 10))
    assert Invoice.objects.exists()


def test_a_rate_that_was_let_pass_is_asked_about_once(estimated: Order) -> None:
    """The customer sends a certificate: from now on nothing is charged, and one signature says that this is right."""
    record(taxed("INV-1", 1, 0))
    desk.approve(person("cleo"), [Approval.objects.get().id], "exempt")
    run.drain("record_invoice")
    record(taxed("INV-2", 2, 0), taxed("CR-1", 2, 0, net=-50_000), taxed("INV-3", 3, 19_000))
    assert Invoice.objects.count() == 4
    assert not Case.objects.exclude(business_key="INV-1").exists()


def test_what_rounding_let_pass_says_nothing_of_the_rate(estimated: Order) -> None:
    """0.20 without tax is four cents off, as jurisdictions may round; 3,800.00 without tax is a question."""
    record(taxed("INV-1", 1, 0, net=20), taxed("INV-2", 2, 8, net=20))
    assert Invoice.objects.count() == 2
    record(taxed("INV-3", 3, 0, net=380_000), taxed("INV-4", 4, 190_000, net=380_000))
    assert Invoice.objects.count() == 2
    assert case("INV-3").reason == case("INV-4").reason == Reason.INVOICE_APPROVAL_REQUIRED


def test_a_rate_within_the_tolerance_moves_it_no_further(estimated: Order) -> None:
    record(taxed("INV-1", 1, 20_000))
    record(taxed("INV-2", 2, 21_000))
    assert Invoice.objects.get().number == "INV-1" and case("INV-2").field == "/lines/0/tax_minor"


def test_a_signature_on_something_else_is_none_on_the_tax(estimated: Order) -> None:
    """A raised tolerance lets the rate pass, the days are signed; the rate is none that anybody signed."""
    record(taxed("INV-1", 1, 19_000, net=100_000))
    policy = CommercialPolicy.objects.create(entity="DE01", tax_tolerance_percent=20)
    record(replace(taxed("INV-2", 2, 0), issued_on=dt.date(2026, 12, 20), due_on=dt.date(2026, 12, 20)))
    desk.approve(person("cleo"), [Approval.objects.get().id], "dated as meant")
    run.drain("record_invoice")
    assert Invoice.objects.count() == 2
    policy.tax_tolerance_percent = 1
    policy.save()
    record(taxed("INV-3", 3, 0))
    assert Invoice.objects.count() == 2 and case("INV-3").field == "/lines/0/tax_minor"


def test_the_policy_of_the_entity_counts(estimated: Order) -> None:
    CommercialPolicy.objects.create(entity="DE01", tax_tolerance_percent=20)
    record(taxed("INV-1", 1, 0))
    assert Invoice.objects.exists()


def test_where_nobody_estimated_only_the_bound_holds(company: Any) -> None:
    order()
    record(taxed("INV-1", 1, 0), taxed("INV-2", 2, 49_000), taxed("INV-3", 3, 50_001))
    assert Invoice.objects.count() == 2 and case("INV-3").reason == Reason.INVOICE_MISMATCH
