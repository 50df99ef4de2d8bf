"""What invoices may bill of one order together. ORD-1 sold a year of PLATFORM from October; it is 3 November."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions.models import Approval, Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import desk, run
from q2c.models import Invoice
from q2c.reasons import Reason
from tests.engine.makers import NOW, OCTOBER, case, order, person
from tests.past_guards import past_guards
from tests.stages.test_invoices_and_journals import LINES, SOUND, arrives, record

pytestmark = pytest.mark.django_db


def _serves(number: str, first: int, until: int, net: int = 10_000, **changes: Any) -> InvoiceDocument:
    """One line of PLATFORM from one day of October until another."""
    line = replace(
        LINES[1], line=1, net_minor=net, service_starts_on=OCTOBER.replace(day=first),
        service_ends_on=OCTOBER.replace(day=until), **changes,
    )  # fmt: skip
    return replace(SOUND, invoice_number=number, billing_reference=number, lines=(line,), total_minor=net)


def _undated(number: str) -> InvoiceDocument:
    document = _serves(number, 1, 31)
    return replace(document, lines=(replace(document.lines[0], service_starts_on=None, service_ends_on=None),))


DUPLICATE, TO_SIGN, MISMATCH = Reason.INVOICE_DUPLICATE, Reason.INVOICE_APPROVAL_REQUIRED, Reason.INVOICE_MISMATCH


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (_serves("INV-2", 1, 31), DUPLICATE),
        (_serves("INV-2", 30, 31, 500), DUPLICATE),
        (_serves("INV-2", 15, 20, 500, charge="Another"), TO_SIGN),
        (_serves("INV-2", 31, 31), MISMATCH),
        (_undated("INV-2"), MISMATCH),
        (_serves("INV-2", 1, 31, -10_000), None),
    ],
    ids=["the same", "overlapping", "another charge", "no time", "no days", "a credit"],
)
def test_a_second_invoice_for_the_same_charge_and_period(
    company: Any, second: InvoiceDocument, reason: Reason | None
) -> None:
    order()
    record(_serves("INV-1", 1, 31))
    record(second)
    assert Invoice.objects.count() == JournalEntry.objects.count() == (1 if reason else 2)
    if reason:
        assert (case("INV-2").reason, case("INV-2").field) == (reason, "/lines/0/service_starts_on")


def test_what_may_be_meant_is_booked_once_a_second_person_says_so(company: Any) -> None:
    order()
    record(_serves("INV-1", 1, 31))
    record(_serves("INV-2", 1, 31, 500, charge="Another"))
    asked = Approval.objects.get()
    assert (asked.state, asked.action) == ("requested", TO_SIGN)
    assert "is billed, and days of it by INV-1 already" in asked.reason
    desk.approve(person("cleo"), [asked.id], "a surcharge")
    run.drain("record_invoice")
    assert Invoice.objects.count() == JournalEntry.objects.count() == 2
    assert case("INV-2").resolution == "fixed_by_replay"
    # What was signed says nothing of a third.
    record(_serves("INV-3", 1, 31, 500, charge="A third"))
    assert case("INV-3").reason == TO_SIGN and "INV-1 and INV-2 already" in case("INV-3").text


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
def test_a_document_of_billing_is_one_invoice_whatever_its_number(company: Any, together: bool) -> None:
    order()
    for document in (SOUND, replace(_serves("INV-2", 1, 31), billing_reference="b-1")):
        arrives("InvoiceIssued", document)
        if not together:
            run.drain("record_invoice")
    with clock.at(NOW + dt.timedelta(minutes=1)):
        run.drain("record_invoice")
    if together:
        # Nothing was booked yet: the number that it has by now takes the older version's place.
        assert Invoice.objects.get().number == "INV-2" and not Case.objects.exists()
        return
    assert Invoice.objects.get().number == "INV-1"
    assert (case("INV-2").reason, case("INV-2").field) == (Reason.INVOICE_CHANGED, "/billing_reference")
    assert "Document b-1 of zuora is booked as invoice INV-1" in case("INV-2").text


def test_what_was_credited_or_follows_may_be_billed(company: Any) -> None:
    order()
    for invoice in (_serves("INV-1", 1, 15), _serves("INV-2", 15, 31), _serves("CR-1", 1, 15, -10_000)):
        record(invoice)
    record(_serves("INV-3", 1, 15))
    assert Invoice.objects.count() == 4 and not Case.objects.exists()


def _once(number: int, net: int) -> InvoiceDocument:
    """What is billed once has a sum, and no days."""
    document = _serves(f"INV-{number}", 1, 2, net)
    line = replace(document.lines[0], kind="one_time", service_starts_on=None, service_ends_on=None)
    return replace(document, lines=(line,))


@pytest.mark.parametrize(
    ("bills", "stuck"),
    [
        ([120_000], []),
        ([120_001], []),
        ([120_002], ["INV-1"]),
        ([100_000, 20_000], []),
        ([100_000, 30_000], ["INV-2"]),
        ([100_000, 30_000, 20_000], ["INV-2"]),
        ([120_000, -50_000, 50_000], []),
        ([100_000, -100_000], []),
        ([100_000, -100_003], ["INV-2"]),
        ([-100], ["INV-1"]),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
def test_no_more_is_billed_than_sold_and_no_more_credited_than_billed(
    company: Any, bills: list[int], stuck: list[str], together: bool
) -> None:
    sold = order()
    with past_guards():
        sold.lines.update(amount_minor=120_000, kind="one_time")
    for i, net in enumerate(bills, 1):
        arrives("InvoiceIssued", _once(i, net))
        if not together:
            run.drain("record_invoice")
    # What was never billed may be on its way, and is waited for.
    for minutes in range(8):
        with clock.at(NOW + dt.timedelta(minutes=minutes)):
            run.drain("record_invoice")
    assert list(Case.objects.order_by("business_key").values_list("business_key", flat=True)) == stuck
    for number in stuck:
        (finding,) = case(number).context["findings"]
        assert (finding["reason"], finding["pointer"]) == (Reason.INVOICE_MISMATCH, "/lines/0/net_minor")
    assert Invoice.objects.count() == len(bills) - len(stuck)


@pytest.mark.parametrize(
    ("invoices", "stuck"),
    [
        # Rounding: up to five units, however many lines.
        ([[400] * 299 + [405]], []),
        ([[400] * 299 + [406]], ["INV-1"]),
        ([[120_000] + [1] * 300], ["INV-1"]),
        ([[119_000], [10] * 100 + [1] * 6], ["INV-2"]),
        # None once all of it is billed.
        ([[120_000], [1]], ["INV-2"]),
        ([[120_000], [1] * 300], ["INV-2"]),
        # What is taken back is taken back, and no more.
        ([[120_000], [-1] * 300], []),
        ([[120_000], [-400] * 299 + [-405]], []),
        ([[120_000], [-400] * 299 + [-406]], ["INV-2"]),
        ([[120_000], [-120_000], [-1]], ["INV-3"]),
        ([[120_000], [-120_000], [-1] * 300], ["INV-3"]),
        # Credited, there is something to bill again.
        ([[120_000], [-120_000], [400] * 300, [1]], ["INV-4"]),
    ],
)
def test_many_lines_make_no_room_for_more_than_was_sold(
    company: Any, invoices: list[list[int]], stuck: list[str]
) -> None:
    sold = order()
    with past_guards():
        sold.lines.update(amount_minor=120_000, kind="one_time")
    for i, nets in enumerate(invoices, 1):
        one = _once(i, sum(nets))
        lines = tuple(replace(one.lines[0], line=n, net_minor=net) for n, net in enumerate(nets, 1))
        arrives("InvoiceIssued", replace(one, lines=lines))
        # What was never billed may be on its way, and is waited for.
        for minutes in range(8):
            with clock.at(NOW + dt.timedelta(minutes=minutes)):
                run.drain("record_invoice")
    assert list(Case.objects.order_by("business_key").values_list("business_key", "reason")) == [
        (number, MISMATCH) for number in stuck
    ]
