"""What an order sold of a product, day by day: from when on, in how many lines at a time, and what that comes to."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import msgspec

from q2c.contracts.documents import OrderLine
from q2c.models import Order
from q2c.models import OrderLine as Row
from q2c.money import exponent
from q2c.stages.controls.calendar import add_months, phase_minor

# Days by which conventions differ: a month is a twelfth of a year, 30 days of 360, or as many as it has.
CONVENTION_DAYS = 3
# Who bills whole months may do so of the first and the last one of a phase.
_MONTH_DAYS = 31


class _Document(msgspec.Struct):
    """What of an order's document says its phases."""

    lines: tuple[OrderLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """One phase of an order line; it ends before `ends_on`. `minor`: at its prices, before any discount."""

    starts_on: dt.date
    ends_on: dt.date
    minor: Fraction

    def covers(self, day: dt.date) -> bool:
        return self.starts_on <= day < self.ends_on

    def worth(self, starts_on: dt.date, ends_on: dt.date) -> Fraction:
        """What these days of it cost at most, by whatever convention, in minor units."""
        begins, ends = max(starts_on, self.starts_on), min(ends_on, self.ends_on)
        if begins >= ends:
            return Fraction(0)
        days = (ends - begins).days
        if begins == self.starts_on or ends == self.ends_on:
            days = max(days, _MONTH_DAYS)
        return self.minor * min(Fraction(days + CONVENTION_DAYS, (self.ends_on - self.starts_on).days), Fraction(1))


# Group, product, kind.
Key = tuple[str, str, str]
Spans = Mapping[Key, Sequence[Span]]


def spans(order: Order) -> Spans:
    """The phases of all lines. Those of one line do not overlap, so on a day there are as many as lines."""
    told = {line.line: line for line in msgspec.json.decode(order.document, type=_Document).lines}
    exponents = {group.key: exponent(group.currency) for group in order.groups.all()}
    found: defaultdict[Key, list[Span]] = defaultdict(list)
    for row in order.lines.all():
        found[row.group, row.product, row.kind] += _of_line(order, row, told.get(row.line), exponents[row.group])
    return found


def days(order: Order) -> Mapping[int, tuple[dt.date, dt.date]]:
    """By number of the order line, from when on and until before when it is sold."""
    told = {line.line: line.phases for line in msgspec.json.decode(order.document, type=_Document).lines}
    whole = order.starts_on, add_months(order.starts_on, order.term_months)
    return {
        row.line: (min(p.starts_on for p in phases), max(p.ends_on for p in phases)) if phases else whole
        for row in order.lines.all()
        for phases in [told.get(row.line, ())]
    }


def _of_line(order: Order, row: Row, line: OrderLine | None, decimals: int) -> Iterator[Span]:
    if line is None or not line.phases:
        until = add_months(order.starts_on, order.term_months)
        yield Span(order.starts_on, until, Fraction(row.amount_minor + row.discount_minor))
        return
    for phase in line.phases:
        yield Span(phase.starts_on, phase.ends_on, phase_minor(line, phase, decimals) or Fraction(0))
