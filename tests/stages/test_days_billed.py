"""Which days invoices may bill and take back. ORD-1 runs a year from 1 October 2026; it is 3 November.

Line A of PLATFORM is sold for 100.00 a month over the year, line B, where there is one, from a later day on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from exceptions.models import Approval, Case
from q2c import clock
from q2c.contracts.documents import Billing, InvoiceDocument, InvoiceLine, OrderLine, Phase
from q2c.engine import desk, run
from q2c.models import Invoice, Order
from q2c.models import OrderLine as Row
from q2c.reasons import Reason
from q2c.stages.controls.calendar import add_months
from q2c.stages.sold import Span
from tests.engine.makers import NOW, case, order, person
from tests.past_guards import past_guards
from tests.stages.test_invoices_and_journals import SOUND, arrives, record

pytestmark = pytest.mark.django_db

DUPLICATE, MISMATCH, TO_SIGN = Reason.INVOICE_DUPLICATE, Reason.INVOICE_MISMATCH, Reason.INVOICE_APPROVAL_REQUIRED
ENDS = dt.date(2027, 10, 1)


def phase(starts: str, ends: str, price: str = "100", quantity: str = "1") -> Phase:
    return Phase(
        starts_on=dt.date.fromisoformat(starts), ends_on=dt.date.fromisoformat(ends), quantity=quantity,
        unit_price=price,
    )  # fmt: skip


YEAR = (phase("2026-10-01", "2027-10-01"),)
FROM_APRIL = (phase("2027-04-01", "2027-10-01"),)
RAMP = (phase("2026-10-01", "2027-04-01"), phase("2027-04-01", "2027-10-01", "300"))
EVEN = (phase("2026-10-01", "2027-04-01"), phase("2027-04-01", "2027-10-01"))
HALF_PRICE = (phase("2026-10-01", "2027-10-01", "50"),)


def sell(*lines: tuple[Phase, ...], amount: int = 1_000_000, discounts: Sequence[int] = ()) -> Order:
    """An order of these lines of PLATFORM, less a discount each; its sum is no limit here unless it is given."""
    made = order()
    documents = [
        OrderLine(
            line=i, product="PLATFORM", group="G1", kind="recurring", price_period="month", amount_minor=amount,
            phases=phases, billing=Billing(frequency="monthly"), revenue_treatment="ratable_monthly",
            discount_minor=discount,
        )
        for i, (phases, discount) in enumerate(zip(lines, [*discounts, *[0] * len(lines)], strict=False), 1)
    ]  # fmt: skip
    (row,) = made.lines.all()
    with past_guards():
        made.lines.update(amount_minor=amount)
        for i in range(2, len(lines) + 1):
            Row.objects.create(
                order=made, line=i, group="G1", product="PLATFORM", kind="recurring", quantity=1, unit_price=1,
                price_period="month", amount_minor=amount, revenue_treatment=row.revenue_treatment,
                product_line=row.product_line,
            )  # fmt: skip
        Order.objects.filter(id=made.id).update(document=msgspec.json.encode({"lines": documents}).decode())
    return made


Billed = tuple[str, str, int]


def bills(number: str, *lines: Billed, charge: str = "Platform") -> InvoiceDocument:
    """Each line from one day until another, for so much."""
    return replace(
        SOUND, invoice_number=number, billing_reference=number, total_minor=sum(net for *_, net in lines),
        lines=tuple(
            InvoiceLine(
                line=i, product="PLATFORM", kind="recurring", charge=charge, net_minor=net,
                service_starts_on=dt.date.fromisoformat(starts), service_ends_on=dt.date.fromisoformat(ends),
            )
            for i, (starts, ends, net) in enumerate(lines, 1)
        ),
    )  # fmt: skip


OCT, NOV, DEC = ("2026-10-01", "2026-11-01"), ("2026-11-01", "2026-12-01"), ("2026-12-01", "2027-01-01")
FEB, JUNE = ("2027-02-01", "2027-03-01"), ("2027-06-01", "2027-07-01")
Q4 = ("2026-10-01", "2027-01-01")
WHOLE = ("2026-10-01", "2027-10-01")


def _told() -> dict[str, str]:
    return dict(Case.objects.values_list("business_key", "reason"))


# Twice ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "invoices", "told"),
    [
        # The second line begins in April: October has one line.
        ([YEAR, FROM_APRIL], [[(*OCT, 10_000)], [(*OCT, 10_000)]], {"INV-2": DUPLICATE}),
        ([YEAR, FROM_APRIL], [[(*WHOLE, 120_000)], [(*WHOLE, 60_000)]], {"INV-2": DUPLICATE}),
        ([YEAR, FROM_APRIL], [[(*JUNE, 10_000), (*JUNE, 10_000)]], {}),
        ([YEAR, FROM_APRIL], [[(*WHOLE, 120_000)], [("2027-04-01", "2027-10-01", 60_000)]], {}),
        ([YEAR], [[(*OCT, 5_000), (*OCT, 5_000)]], {"INV-1": DUPLICATE}),
        ([YEAR], [[(*OCT, 5_000), ("2026-10-15", "2026-11-01", 2_000)]], {"INV-1": DUPLICATE}),
        ([YEAR], [[("2026-10-01", "2026-10-15", 5_000), ("2026-10-15", "2026-11-01", 5_000)]], {}),
        # Two lines of one price and time stand side by side in each invoice; the same twice is one too many.
        ([YEAR, YEAR], [[(*OCT, 10_000), (*OCT, 10_000)], [(*NOV, 10_000), (*NOV, 10_000)]], {}),
        ([YEAR, YEAR], [[(*OCT, 10_000), (*OCT, 10_000)], [(*OCT, 10_000), (*OCT, 10_000)]], {"INV-2": DUPLICATE}),
        ([YEAR, YEAR], [[(*OCT, 10_000), (*OCT, 10_000), (*OCT, 10_000)]], {"INV-1": DUPLICATE}),
        # One of two in each invoice may be the other line, or the first one again: a person looks.
        ([YEAR, YEAR], [[(*OCT, 10_000)], [(*OCT, 10_000)]], {"INV-2": TO_SIGN}),
        # Where they differ in price, they tell themselves apart.
        ([YEAR, HALF_PRICE], [[(*OCT, 10_000)], [(*OCT, 5_000)]], {}),
        ([YEAR, HALF_PRICE], [[(*WHOLE, 120_000)], [(*OCT, 5_000)], [(*FEB, 5_000)]], {}),
        ([YEAR, HALF_PRICE], [[(*OCT, 5_000)], [(*NOV, 5_000)], [(*DEC, 5_000)], [(*WHOLE, 120_000)]], {}),
        # Credited and billed again, in one invoice or in three.
        ([YEAR], [[(*OCT, 10_000)], [(*OCT, -10_000)], [(*OCT, 10_000)]], {}),
        ([YEAR], [[(*OCT, 10_000)], [(*OCT, 9_000), (*OCT, -10_000)]], {}),
        ([YEAR], [[(*OCT, 10_000)], [(*OCT, -10_000)], [(*OCT, 10_000)], [(*OCT, 10_000)]], {"INV-4": DUPLICATE}),
        # A price that was let down by a credit is no room for the same invoice again.
        ([YEAR], [[(*OCT, 10_000)], [(*OCT, -1_000)], [(*OCT, 10_000)]], {"INV-3": TO_SIGN}),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
def test_a_day_is_billed_as_often_as_lines_of_the_order_cover_it(
    company: Any, lines: list[tuple[Phase, ...]], invoices: list[list[Billed]], told: dict[str, str], together: bool
) -> None:
    sell(*lines)
    for i, invoice in enumerate(invoices, 1):
        arrives("InvoiceIssued", bills(f"INV-{i}", *invoice))
        if not together:
            run.drain("record_invoice")
    run.drain("record_invoice")
    assert _told() == told
    assert Invoice.objects.count() == len(invoices) - len(told)


# Taken back -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credits", "told"),
    [
        ([[(*OCT, -10_000)]], {}),
        ([[(*OCT, -10_000)], [(*NOV, -10_000)]], {}),
        ([[(*OCT, -10_000), (*NOV, -10_000)]], {}),
        ([[(*OCT, -4_000)], [(*OCT, -6_000)]], {}),
        # All three months in one line; more than a cent of rounding each is no rounding.
        ([[("2026-10-01", "2027-01-01", -30_000)]], {}),
        ([[("2026-10-01", "2027-01-01", -30_010)]], {"CR-1": MISMATCH}),
        # From a cancellation in the middle of a month on.
        ([[("2026-11-16", "2027-01-01", -15_000)]], {}),
        # The same again, under another number or in the same document.
        ([[(*OCT, -10_000)], [(*OCT, -10_000)]], {"CR-2": DUPLICATE}),
        ([[(*OCT, -10_000), (*OCT, -10_000)]], {"CR-1": DUPLICATE}),
        ([[(*OCT, -10_000)], [(*OCT, -500)]], {"CR-2": MISMATCH}),
        # What was never billed.
        ([[(*FEB, -10_000)]], {"CR-1": MISMATCH}),
        # A month's fee for a week of it: a favour, perhaps.
        ([[("2026-10-01", "2026-10-08", -10_000)]], {"CR-1": TO_SIGN}),
        # Without days, the order's sum alone counts.
        ([[("", "", -20_000)]], {}),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
def test_a_credit_takes_back_what_was_billed_for_its_days_once(
    company: Any, credits: list[list[Billed]], told: dict[str, str], together: bool
) -> None:
    sell(YEAR)
    for i, days in enumerate((OCT, NOV, DEC), 1):
        arrives("InvoiceIssued", bills(f"INV-{i}", (*days, 10_000)))
    for i, lines in enumerate(credits, 1):
        document = bills(f"CR-{i}", *((a or OCT[0], b or OCT[1], net) for a, b, net in lines), charge="Credit")
        if not lines[0][0]:
            bare = replace(document.lines[0], service_starts_on=None, service_ends_on=None)
            document = replace(document, lines=(bare,))
        if not together:
            run.drain("record_invoice")
        arrives("InvoiceIssued", document)
    # What was never billed may be on its way, and is waited for.
    for minutes in range(8):
        with clock.at(NOW + dt.timedelta(minutes=minutes)):
            run.drain("record_invoice")
    assert _told() == told
    for number in told:
        assert case(number).field.endswith("/net_minor")


def test_a_month_of_a_year_that_was_billed_ahead_is_credited_once(company: Any) -> None:
    sell(YEAR)
    for number, line in {"INV-1": (*WHOLE, 120_000), "CR-1": (*FEB, -10_000), "CR-2": (*JUNE, -10_000)}.items():
        record(bills(number, line))
    assert not Case.objects.exists()
    record(bills("CR-3", (*FEB, -10_000)))
    asked = Approval.objects.get()
    assert (asked.action, asked.data["findings"][0]["measure"]["value"]) == (TO_SIGN, "100.00")
    desk.approve(person("cleo"), [asked.id], "a favour for the outage")
    run.drain("record_invoice")
    assert Invoice.objects.count() == 4


# In proportion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "invoices", "told"),
    [
        # Monthly, quarterly, half-yearly, the year ahead or in arrears, whatever the months' days.
        ([YEAR], [[(*OCT, 10_000)], [(*NOV, 10_000)], [(*FEB, 10_000)]], {}),
        ([YEAR], [[("2026-10-01", "2027-01-01", 30_000)], [("2027-01-01", "2027-04-01", 30_000)]], {}),
        ([YEAR], [[("2027-01-01", "2027-07-01", 60_000)]], {}),
        ([YEAR], [[(*WHOLE, 120_000)]], {}),
        # Odd days: actual, of 360, a cent more by rounding; whole months at either end of a phase.
        ([YEAR], [[("2027-02-15", "2027-03-01", 5_000)]], {}),
        ([YEAR], [[("2027-02-15", "2027-03-01", 5_334)]], {}),
        ([YEAR], [[("2026-10-01", "2026-10-16", 10_000)]], {}),
        ([YEAR], [[("2027-09-20", "2027-10-01", 10_000)]], {}),
        ([FROM_APRIL], [[("2027-04-01", "2027-04-20", 10_000)]], {}),
        # A ramp is billed at the price of its time, also in one line over both.
        ([RAMP], [[(*OCT, 10_000)], [(*JUNE, 30_000)]], {}),
        ([RAMP], [[(*WHOLE, 240_000)]], {}),
        ([RAMP], [[("2027-01-01", "2027-07-01", 120_000)]], {}),
        ([RAMP], [[(*OCT, 30_000)]], {"INV-1": TO_SIGN}),
        # Two lines of one product, together and in one line.
        ([YEAR, FROM_APRIL], [[(*JUNE, 20_000)]], {}),
        ([YEAR, FROM_APRIL], [[(*OCT, 20_000)]], {"INV-1": TO_SIGN}),
        ([YEAR, HALF_PRICE], [[(*OCT, 10_000)], [(*OCT, 9_000)]], {"INV-2": TO_SIGN}),
        # All of it in a month, twice the price, a month's price for a week in the middle.
        ([YEAR], [[(*OCT, 120_000)]], {"INV-1": TO_SIGN}),
        ([YEAR], [[(*NOV, 20_000)]], {"INV-1": TO_SIGN}),
        ([YEAR], [[("2026-11-10", "2026-11-17", 10_000)]], {"INV-1": TO_SIGN}),
        # Before it is sold at all.
        ([FROM_APRIL], [[(*OCT, 10_000)]], {"INV-1": MISMATCH}),
        ([FROM_APRIL], [[("2027-03-31", "2027-05-01", 10_000)]], {"INV-1": MISMATCH}),
    ],
)
def test_what_recurs_is_billed_in_proportion_to_its_days(
    company: Any, lines: list[tuple[Phase, ...]], invoices: list[list[Billed]], told: dict[str, str]
) -> None:
    sell(*lines)
    for i, invoice in enumerate(invoices, 1):
        record(bills(f"INV-{i}", *invoice))
    assert _told() == told
    assert Invoice.objects.count() == len(invoices) - len(told)


@pytest.mark.parametrize("starts", ["2026-10-01", "2026-10-15", "2027-01-31", "2028-02-29"])
@pytest.mark.parametrize("term", [1, 2, 3, 12, 24, 36])
@pytest.mark.parametrize("months", [1, 3, 12])
def test_equal_months_of_any_term_are_in_proportion(starts: str, term: int, months: int) -> None:
    """Each period costs as many twelfths of a year as it has months, however many days these have."""
    first = dt.date.fromisoformat(starts)
    span = Span(first, add_months(first, term), term * 10_000)
    for at in range(0, term - months + 1, months):
        worth = span.worth(add_months(first, at), add_months(first, at + months))
        assert months * 10_000 <= worth < (months + 0.2) * 10_000


def test_a_second_person_may_let_an_uplift_pass_and_sees_what_it_is_measured_by(company: Any) -> None:
    sell(YEAR)
    record(bills("INV-1", (*NOV, 20_000)))
    asked = Approval.objects.get()
    (finding,) = asked.data["findings"]
    assert finding["text"] == (
        "Invoice INV-1 bills EUR 200.00 of PLATFORM from 2026-11-01 until 2026-12-01; at the prices of its order these "
        "days come to EUR 98.63, by any count to EUR 108.49 at most"
    )
    assert (finding["pointer"], finding["measure"]["limit"]) == ("/lines/0/net_minor", "108.49")
    desk.approve(person("cleo"), [asked.id], "agreed by letter")
    run.drain("record_invoice")
    assert Invoice.objects.get().number == "INV-1" and case("INV-1").resolution == "fixed_by_replay"


@pytest.mark.parametrize(
    ("lines", "discounts", "invoices", "told"),
    [
        # A year for 1,200.00 less 20 %: by months, quarters and ahead; a unit is rounding, two are not.
        ([YEAR], [24_000], [[(*OCT, 8_000)], [(*NOV, 8_000)], [(*FEB, 8_000)]], {}),
        ([YEAR], [24_000], [[(*Q4, 24_000)]], {}),
        ([YEAR], [24_000], [[(*WHOLE, 96_001)]], {}),
        ([YEAR], [24_000], [[(*WHOLE, 96_002)]], {"INV-1": TO_SIGN}),
        # The list price.
        ([YEAR], [24_000], [[(*OCT, 10_000)]], {"INV-1": TO_SIGN}),
        ([YEAR], [24_000], [[(*OCT, 8_000)], [(*NOV, 10_000)], [(*FEB, 8_000)]], {"INV-2": TO_SIGN}),
        ([YEAR], [24_000], [[(*Q4, 30_000)]], {"INV-1": TO_SIGN}),
        ([YEAR], [24_000], [[(*WHOLE, 120_000)]], {"INV-1": TO_SIGN}),
        # Billed whole and the discount credited: in the same invoice, or in one before.
        ([YEAR], [24_000], [[(*OCT, 10_000), (*OCT, -2_000)], [(*NOV, 10_000), (*NOV, -2_000)]], {}),
        ([YEAR], [24_000], [[(*OCT, 8_000)], [(*OCT, -8_000)], [(*OCT, 8_000)]], {}),
        # A ramp's discount is spread by what its phases cost: 600.00 and 1,800.00.
        ([RAMP], [48_000], [[(*OCT, 8_000)], [(*JUNE, 24_000)]], {}),
        ([RAMP], [48_000], [[("2026-10-01", "2027-04-01", 48_000)], [("2027-04-01", "2027-10-01", 144_000)]], {}),
        ([RAMP], [48_000], [[("2026-10-01", "2027-04-01", 60_000)]], {"INV-1": TO_SIGN}),
        ([RAMP], [48_000], [[(*JUNE, 30_000)]], {"INV-1": TO_SIGN}),
        ([RAMP], [48_000], [[("2027-01-01", "2027-07-01", 96_000)]], {}),
        ([RAMP], [48_000], [[("2027-01-01", "2027-07-01", 120_000)]], {"INV-1": TO_SIGN}),
        # A discount of a cent falls into one of two equal phases.
        ([EVEN], [1], [[("2026-10-01", "2027-04-01", 60_000)], [("2027-04-01", "2027-10-01", 59_999)]], {}),
        # One of two lines of a product has a discount.
        ([YEAR, HALF_PRICE], [24_000], [[(*OCT, 8_000)], [(*OCT, 5_000)]], {}),
        ([YEAR, HALF_PRICE], [24_000], [[(*OCT, 10_000)], [(*OCT, 5_000)]], {"INV-2": TO_SIGN}),
        ([YEAR, HALF_PRICE], [24_000], [[(*WHOLE, 120_000), (*WHOLE, 60_000)]], {"INV-1": TO_SIGN}),
        # All of it given away.
        ([YEAR], [120_000], [[(*OCT, 1)]], {}),
        ([YEAR], [120_000], [[(*OCT, 10_000)]], {"INV-1": TO_SIGN}),
    ],
)
def test_what_recurs_is_billed_less_its_discount(
    company: Any, lines: list[tuple[Phase, ...]], discounts: list[int], invoices: list[list[Billed]],
    told: dict[str, str],
) -> None:  # fmt: skip
    sell(*lines, discounts=discounts)
    for i, invoice in enumerate(invoices, 1):
        record(bills(f"INV-{i}", *invoice))
    assert _told() == told
    assert Invoice.objects.count() == len(invoices) - len(told)


def test_a_line_without_phases_is_held_to_what_it_was_sold_for(company: Any) -> None:
    sold = sell((), amount=96_000)
    with past_guards():
        sold.lines.update(discount_minor=24_000)
    record(bills("INV-1", (*WHOLE, 96_000)))
    record(bills("CR-1", (*WHOLE, -96_000)))
    record(bills("INV-2", (*NOV, 10_000)))
    assert _told() == {"INV-2": TO_SIGN}


def test_whoever_signs_a_forgotten_discount_sees_it(company: Any) -> None:
    sell(YEAR, discounts=[24_000])
    record(bills("INV-1", (*WHOLE, 120_000)))
    (finding,) = Approval.objects.get().data["findings"]
    assert finding["text"] == (
        "Invoice INV-1 bills EUR 1,200.00 of PLATFORM from 2026-10-01 until 2027-10-01; at the prices of its order, "
        "less a discount of EUR 240.00, these days come to EUR 960.00, by any count to EUR 960.00 at most"
    )
    assert [(name, minor) for name, minor, _ in finding["measure"]["amounts"]] == [
        ("Billed by this line", 120_000),
        ("Billed for these days before", 0),
        ("Sold for these days", 96_000),
        ("Discount for these days, taken off", 24_000),
        ("Sold for these days, at most", 96_000),
    ]


@pytest.mark.parametrize(("amount", "told"), [(119_994, {}), (119_993, {"INV-12": MISMATCH})])
def test_each_month_of_a_year_may_be_rounded_by_half_a_unit(company: Any, amount: int, told: dict[str, Reason]) -> None:
    sell(YEAR, amount=amount)
    for month in range(12):
        starts, ends = (add_months(dt.date(2026, 10, 1), n).isoformat() for n in (month, month + 1))
        record(bills(f"INV-{month + 1}", (starts, ends, 10_000)))
    assert _told() == told


def test_a_discount_may_be_billed_as_it_comes_while_the_sum_holds(company: Any) -> None:
    """Some platforms bill the list price and credit the discount once."""
    sold = sell(YEAR, amount=108_000, discounts=[12_000])
    with past_guards():
        sold.lines.update(discount_minor=12_000)
    record(bills("INV-1", ("2026-10-01", "2027-09-01", 110_000), (*OCT, -10_000)))
    record(bills("INV-2", ("2027-09-01", "2027-10-01", 10_000)))
    assert _told() == {"INV-2": MISMATCH}


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
def test_a_credit_without_days_that_is_equal_to_one_before_it_is_signed(company: Any, together: bool) -> None:
    sell(YEAR)
    arrives("InvoiceIssued", bills("INV-1", (*WHOLE, 120_000)))
    run.drain("record_invoice")
    for number, net in (("CM-1", -30_000), ("CM-2", -20_000), ("CM-3", -30_000)):
        credit = bills(number, (*OCT, net))
        line = replace(credit.lines[0], service_starts_on=None, service_ends_on=None)
        arrives("InvoiceIssued", replace(credit, lines=(line,)))
        if not together:
            run.drain("record_invoice")
    run.drain("record_invoice")
    assert _told() == {"CM-3": TO_SIGN}
    assert "as CM-1 did already" in Case.objects.get().text
    desk.approve(person("cleo"), [Approval.objects.get().id], "two favours")
    run.drain("record_invoice")
    assert Invoice.objects.filter(number="CM-3").exists()
