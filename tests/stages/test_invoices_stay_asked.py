"""What a second person was asked about an invoice stays asked: ORD-1 was estimated at 19 %, INV-1 comes with none."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions.models import Approval
from ledger.models import FxRate
from q2c import clock
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import desk, replay, run
from q2c.models import CommercialPolicy, Invoice, Order
from tests.engine.makers import NOW, case, order, person, step
from tests.past_guards import past_guards
from tests.stages.test_invoices_and_journals import arrives, record
from tests.stages.test_tax_of_invoices import taxed
from tests.stages.test_usage import sold, usage

pytestmark = pytest.mark.django_db

__all__ = ["sold"]


@pytest.fixture
def estimated(company: Any) -> Order:
    return order(tax=19_000_000)


def limits(**changes: int) -> None:
    CommercialPolicy.objects.update_or_create(entity="", defaults=changes)


def replayed_by(user: Any) -> None:
    desk.replay_one(user, case("INV-1").id)
    run.drain("record_invoice")


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "still open"])
def test_a_tolerance_that_is_raised_frees_no_invoice(estimated: Order, refused: bool) -> None:
    record(taxed("INV-1", 1, 40_000))
    carla, cleo = person("carla"), person("cleo")
    if refused:
        desk.refuse(cleo, [Approval.objects.get().id], "the tax is wrong")
    limits(tax_tolerance_percent=100)
    (seen,) = replay.dry_run([step("INV-1", "record_invoice").id])
    assert not seen.would_pass and [one["pointer"] for one in seen.findings] == ["/lines/0/tax_minor"]
    for _ in range(2):
        replayed_by(carla)
        assert not Invoice.objects.exists() and case("INV-1").state == "awaiting_approval"
    asked = Approval.objects.get(state="requested")
    assert "bills 40 % tax" in asked.data["findings"][0]["text"]
    desk.approve(cleo, [asked.id], "right after all")
    run.drain("record_invoice")
    assert Invoice.objects.get().tax_minor == 40_000 and case("INV-1").resolution == "fixed_by_replay"


@pytest.mark.parametrize(
    ("invoice", "value"),
    [(usage("INV-1", 1, 10, 130_000), "1300.00"), (usage("INV-1", 1, 10, 130_000, "100"), "1300.00")],
    ids=["out of proportion", "above its terms"],
)
def test_nor_does_a_limit_of_usage(sold: Order, invoice: InvoiceDocument, value: str) -> None:
    record(invoice)
    limits(usage_limit_percent=10_000)
    replayed_by(person("carla"))
    assert not Invoice.objects.exists()
    asked = Approval.objects.get(state="requested")
    assert asked.data["findings"][0]["measure"]["value"] == value
    desk.approve(person("cleo"), [asked.id], "metered as agreed")
    run.drain("record_invoice")
    assert Invoice.objects.get().total_minor == 130_000


def test_nor_does_time(company: Any) -> None:
    """Dated 40 days ahead and refused: that the day has come near is no second person's word."""
    order()
    day = NOW.date() + dt.timedelta(days=40)
    record(replace(taxed("INV-1", 1, 0), issued_on=day, due_on=day))
    desk.refuse(person("cleo"), [Approval.objects.get().id], "have it dated today")
    with clock.at(NOW + dt.timedelta(days=20)):
        replayed_by(person("carla"))
    assert not Invoice.objects.exists() and case("INV-1").state == "awaiting_approval"


def test_what_was_signed_stays_signed(estimated: Order) -> None:
    """Something else came in the way after the signature: once that is mended, nobody is asked again."""
    record(taxed("INV-1", 1, 0))
    rates = list(FxRate.objects.all())
    FxRate.objects.all().delete()
    desk.approve(person("cleo"), [Approval.objects.get().id], "exempt")
    run.drain("record_invoice")
    assert not Invoice.objects.exists() and case("INV-1").reason == "fx_rate_missing"
    FxRate.objects.bulk_create(rates)
    replayed_by(person("carla"))
    assert Invoice.objects.exists() and Approval.objects.count() == 1


@pytest.mark.parametrize(("tax", "passes"), [(23_000, False), (39_999, False), (19_500, True)])
def test_another_version_is_held_to_the_tolerance_that_was_asked_about(
    estimated: Order, tax: int, passes: bool
) -> None:
    """Somebody alone raises the tolerance to 50 points: a cent less than was refused is no other question."""
    record(taxed("INV-1", 1, 40_000))
    desk.refuse(person("cleo"), [Approval.objects.get().id], "the tax is wrong")
    limits(tax_tolerance_percent=50)
    with clock.at(NOW + dt.timedelta(minutes=5)):
        arrives("InvoiceIssued", taxed("INV-1", 1, tax), "corrected")
        run.drain("record_invoice")
    assert list(Invoice.objects.values_list("tax_minor", flat=True)) == ([tax] if passes else [])


DAY_AHEAD = NOW.date() + dt.timedelta(days=40)


@pytest.mark.parametrize(
    "invoice",
    [
        taxed("INV-1", 1, 400, net=1_000),
        usage("INV-1", 1, 10, 130_000),
        replace(taxed("INV-1", 1, 0, net=1_000), issued_on=DAY_AHEAD, due_on=DAY_AHEAD),
    ],
    ids=["tax", "usage", "its date"],
)
@pytest.mark.parametrize("refused", [True, False], ids=["refused", "still open"])
def test_another_number_is_no_way_past_what_was_asked(sold: Order, invoice: InvoiceDocument, refused: bool) -> None:
    """Somebody alone raises every limit; billing gives the same document as INV-1A 20 days later."""
    with past_guards():
        sold.lines.filter(line=1).update(tax_estimate_minor=22_800 if invoice.lines[0].tax_minor else 0)
    record(invoice)
    cleo = person("cleo")
    (asked,) = Approval.objects.get().data["findings"]
    if refused:
        desk.refuse(cleo, [Approval.objects.get().id], "wrong")
    limits(tax_tolerance_percent=100, usage_limit_percent=10_000)
    with clock.at(NOW + dt.timedelta(days=20)):
        arrives("InvoiceIssued", replace(invoice, invoice_number="INV-1A"), "renumbered")
        run.drain("record_invoice")
        assert not Invoice.objects.exists()
        assert (case("INV-1").state, case("INV-1").resolution) == ("resolved", "superseded")
        now = Approval.objects.get(state="requested")
        (again,) = now.data["findings"]
        assert again["text"].startswith("Invoice INV-1A ")
        assert (again["measure"] or {}).get("limit") == (asked["measure"] or {}).get("limit")
        desk.approve(cleo, [now.id], "right after all")
        run.drain("record_invoice")
    assert Invoice.objects.get().number == "INV-1A"


def described(invoice: InvoiceDocument) -> InvoiceDocument:
    return replace(invoice, lines=(replace(invoice.lines[0], description="Platform, one day"),))


@pytest.mark.parametrize(
    ("changed", "source"),
    [
        (lambda one: replace(one, due_on=one.due_on + dt.timedelta(days=1)), "zuora"),
        (described, "zuora"),
        (lambda one: replace(one, billing_reference="b-999"), "zuora"),
        (lambda one: one, "other"),
    ],
    ids=["due date", "description", "reference", "source"],
)
@pytest.mark.parametrize("kind", ["tax", "usage"])
def test_what_still_says_what_was_refused_is_asked_again(sold: Order, kind: str, changed: Any, source: str) -> None:
    with past_guards():
        sold.lines.filter(line=1).update(tax_estimate_minor=22_800)
    refused = taxed("INV-1", 1, 400, net=1_000) if kind == "tax" else usage("INV-1", 1, 10, 130_000)
    record(refused)
    cleo = person("cleo")
    desk.refuse(cleo, [Approval.objects.get().id], "wrong")
    limits(tax_tolerance_percent=100, usage_limit_percent=10_000)
    with clock.at(NOW + dt.timedelta(minutes=5)):
        arrives("InvoiceIssued", changed(refused), "again", source)
        run.drain("record_invoice")
        assert not Invoice.objects.exists()
        asked = Approval.objects.get(state="requested")
        desk.approve(cleo, [asked.id], "right after all")
        run.drain("record_invoice")
    assert Invoice.objects.get().total_minor == refused.total_minor


def test_the_same_sent_once_more_is_no_other_version(estimated: Order) -> None:
    record(taxed("INV-1", 1, 40_000))
    desk.refuse(person("cleo"), [Approval.objects.get().id], "the tax is wrong")
    limits(tax_tolerance_percent=100)
    with clock.at(NOW + dt.timedelta(minutes=5)):
        arrives("InvoiceIssued", taxed("INV-1", 1, 40_000), "again")
        run.drain("record_invoice")
    assert not Invoice.objects.exists() and Approval.objects.filter(state="requested").count() == 1
