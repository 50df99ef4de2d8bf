"""What many lines of an invoice bill beside each other: as the plain definition has it, in little time."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Iterator, Sequence
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exceptions.sentences import listed
from q2c.contracts.documents import InvoiceDocument, InvoiceLine
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import days_billed, proportion
from q2c.stages.periods import Own, Period
from q2c.stages.sold import CONVENTION_DAYS, Span
from tests.stages.test_invoices_and_journals import SOUND

FIRST, ORDER = dt.date(2026, 10, 1), uuid.UUID(int=1)
DUPLICATE, MISMATCH, TO_SIGN = Reason.INVOICE_DUPLICATE, Reason.INVOICE_MISMATCH, Reason.INVOICE_APPROVAL_REQUIRED


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def period(
    starts: int, days: int, net: int, charge: str = "Platform", kind: str = "recurring", of: str = "X"
) -> Period:
    return Period(ORDER, "G1", "PLATFORM", kind, charge, day(starts), day(starts + days), net, of)


def document(own: Own) -> InvoiceDocument:
    lines = tuple(
        InvoiceLine(
            line=i + 1, product=one.product, kind="recurring", charge=one.charge, net_minor=one.net_minor,
            service_starts_on=one.starts_on, service_ends_on=one.ends_on,
        )
        for i, one in own.items()
    )  # fmt: skip
    return replace(SOUND, invoice_number="X", lines=lines)


# The plain definition ---------------------------------------------------------------------------------------------------

Said = tuple[int, Reason, str]


def beside(at: int, own: Own, there: Sequence[Period]) -> list[Period]:
    mine = own[at]
    before = [one for i, one in own.items() if i != at and (i < at or one.sign != mine.sign)]
    return [
        one
        for one in (*there, *before)
        if one.of == mine.of and one.starts_on < mine.ends_on and mine.starts_on < one.ends_on
    ]


def within(one: Period, mine: Period, more_days: int = 0) -> Fraction:
    met = (min(one.ends_on, mine.ends_on) - max(one.starts_on, mine.starts_on)).days + more_days
    return one.net_minor * min(Fraction(met, (one.ends_on - one.starts_on).days), Fraction(1))


def is_as(one: Period, mine: Period) -> bool:
    alike = (one.days, abs(one.net_minor)) == (mine.days, abs(mine.net_minor))
    return alike and (one.charge == mine.charge or one.sign != mine.sign)


def named(mine: Period, others: Sequence[Period]) -> str:
    return listed(list(dict.fromkeys("another line of it" if o.invoice == mine.invoice else o.invoice for o in others)))


def is_crowded(mine: Period, others: Sequence[Period], spans: Sequence[Span]) -> bool:
    for number in range((mine.ends_on - mine.starts_on).days):
        on = mine.starts_on + dt.timedelta(days=number)
        lines = sum(span.covers(on) for span in spans)
        if 1 + sum(one.sign for one in others if one.starts_on <= on < one.ends_on) > max(lines, 1):
            return True
    return False


def twice(own: Own, there: Sequence[Period], spans: Sequence[Span]) -> Iterator[Said]:
    for i, mine in own.items():
        others = beside(i, own, there)
        before = [one for one in others if one.sign > 0]
        if mine.sign < 0 or not before:
            continue
        if is_crowded(mine, others, spans):
            same = [one for one in before if one.charge == mine.charge]
            surely = any(mine.kind != "usage" or is_as(one, mine) for one in same)
            what = "that time" if surely else "days of it"
            yield i, DUPLICATE if surely else TO_SIGN, f"{what} by {named(mine, before)} already"
            continue
        alike = [one for one in others if is_as(one, mine) and (one.sign < 0 or one.invoice != mine.invoice)]
        if sum(one.sign for one in alike) > 0:
            yield i, TO_SIGN, f"as much for that time by {named(mine, [o for o in alike if o.sign > 0])} already"


def back(own: Own, there: Sequence[Period]) -> Iterator[Said]:
    for i, mine in own.items():
        if mine.sign > 0:
            continue
        others = beside(i, own, there)
        billed, gone = [one for one in others if one.sign > 0], [one for one in others if one.sign < 0]
        rounded = min(len(others) + 1, 5)
        free = rounded + sum((within(one, mine) for one in gone), Fraction(0))
        if -mine.net_minor > (most := sum(one.net_minor for one in billed) + free):
            again = any(is_as(one, mine) for one in gone)
            left = Money(max(int(most) - rounded, 0), "EUR")
            over = f"that is {Money(-mine.net_minor, 'EUR') - left} too much"
            yield i, DUPLICATE if again else MISMATCH, f"is billed for these days {left} is left to credit: {over}"
        elif mine.kind != "usage":
            share = sum((within(one, mine, CONVENTION_DAYS) for one in billed), Fraction(0)) + free
            if -mine.net_minor > share:
                yield i, TO_SIGN, f"is not taken back yet is {Money(max(int(share), 0), 'EUR')}"


def over(own: Own, there: Sequence[Period], spans: Sequence[Span]) -> Iterator[Said]:
    for i, mine in own.items():
        if mine.sign < 0 or mine.kind != "recurring":
            continue
        others = beside(i, own, there)
        before = sum((within(one, mine) for one in others), Fraction(0))
        limit = sum((span.worth(*mine.days) for span in spans), Fraction(0))
        if mine.net_minor + before > limit + min(len(others) + 1, 5):
            yield i, TO_SIGN, f"by any count to {Money(int(limit), 'EUR')} at most"


# Both -------------------------------------------------------------------------------------------------------------------

NETS = st.sampled_from([1, 2, 300, 1_000, 1_000, 3_001])
SOME = st.tuples(
    st.integers(0, 24), st.integers(1, 12), NETS, st.booleans(), st.sampled_from("AAB"), st.sampled_from("XYZ")
)
SPANS = st.lists(st.tuples(st.integers(0, 24), st.integers(1, 40), st.sampled_from([0, 1_000, 9_999])), max_size=5)


@given(kind=st.sampled_from(["recurring", "usage"]), there=st.lists(SOME, max_size=14), lines=st.lists(SOME, max_size=14),
       sold=SPANS)  # fmt: skip
@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_many_lines_are_found_as_one_by_one(kind: str, there: list, lines: list, sold: list) -> None:  # type: ignore[type-arg]
    def made(one: tuple[int, int, int, bool, str, str], of: str) -> Period:
        return period(one[0], one[1], -one[2] if one[3] else one[2], one[4], kind, of)

    billed = sorted((made(one, f"INV-{one[5]}") for one in there), key=lambda one: one.invoice)
    own = {i * 2: made(one, "X") for i, one in enumerate(lines)}
    spans = [Span(day(starts), day(starts + days), minor) for starts, days, minor in sold]
    if not own:
        return
    periods, of_it = {(ORDER, "G1", "PLATFORM", kind): billed}, {("G1", "PLATFORM", kind): spans}
    doc = document({i: own.get(i, own[0]) for i in range(max(own) + 1)})
    told = [(i, f.reason, f.text) for i, f in days_billed.twice(doc, own, periods, of_it)]
    credited = [(int(f.pointer.split("/")[2]), f.reason, f.text) for f in days_billed.unbilled_back(doc, own, periods)]
    too_much = [(i, f.reason, f.text) for i, f in proportion.over(doc, own, periods, of_it)]
    for found, plain in (
        (told, twice(own, billed, spans)),
        (credited, back(own, billed)),
        (too_much, over(own, billed, spans)),
    ):
        expected = list(plain)
        assert [(i, reason) for i, reason, _ in found] == [(i, reason) for i, reason, _ in expected]
        for (_, _, text), (_, _, end) in zip(found, expected, strict=True):
            assert text.endswith(end)


@pytest.mark.parametrize("sign", [1, -1], ids=["billed", "credited"])
@pytest.mark.parametrize("again", [False, True], ids=["for the first time", "once more"])
def test_as_many_lines_as_an_invoice_may_have_take_seconds(sign: int, again: bool) -> None:
    """5,000 lines of different days, beside as many billed, for an order of 1,000 lines; a second or two in all."""
    billed = [period(i % 700, 20 + i % 333, 1_000, f"Seat {i}", of="INV-1") for i in range(5_000)]
    own = {i: replace_net(one, sign * 900) for i, one in enumerate(billed)}
    spans = [Span(day(i % 100), day(1_095), 100_000) for i in range(1_000)]
    key = (ORDER, "G1", "PLATFORM", "recurring")
    periods = {key: billed if again or sign < 0 else []}
    began, doc = time.process_time(), document(own)
    list(days_billed.twice(doc, own, periods, {key[1:]: spans}))
    list(days_billed.unbilled_back(doc, own, periods))
    list(proportion.over(doc, own, periods, {key[1:]: spans}))
    assert time.process_time() - began < 20


def replace_net(one: Period, net: int) -> Period:
    return Period(one.order_id, one.group, one.product, one.kind, one.charge, one.starts_on, one.ends_on, net, "X")
