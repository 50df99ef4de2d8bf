"""What an order sold of a product, day by day: from when on, in how many lines at a time, and what that comes to."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from q2c.contracts import stored
from q2c.contracts.documents import OrderLine
from q2c.models import Order
from q2c.models import OrderLine as Row
from q2c.money import exponent
from q2c.stages.controls.calendar import term_end
from q2c.stages.controls.charges import amounts_of

# Days by which conventions differ: a month is a twelfth of a year, 30 days of 360, or as many as it has.
CONVENTION_DAYS = 3
# Who bills whole months may do so of the first and the last one of a phase.
_MONTH_DAYS = 31


class _Document(msgspec.Struct):
    """What of an order's document says its phases."""

    lines: tuple[OrderLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """One phase of an order line; it ends before `ends_on`. `minor`: as billing was told, less the discount."""

    starts_on: dt.date
    ends_on: dt.date
    minor: int
    # Of the line's discount, what falls into this phase.
    discount_minor: int = 0

    def covers(self, day: dt.date) -> bool:
        return self.starts_on <= day < self.ends_on

    @property
    def length(self) -> int:
        return (self.ends_on - self.starts_on).days

    def days_at_most(self, starts_on: dt.date, ends_on: dt.date) -> int:
        """As how many of its days these may be counted, by whatever convention."""
        begins, ends = max(starts_on, self.starts_on), min(ends_on, self.ends_on)
        if (days := (ends - begins).days) <= 0:
            return 0
        if begins == self.starts_on or ends == self.ends_on:
            days = max(days, _MONTH_DAYS)
        return min(days + CONVENTION_DAYS, self.length)

    def worth(self, starts_on: dt.date, ends_on: dt.date) -> Fraction:
        """What these days of it cost at most, in minor units."""
        return Fraction(self.minor * self.days_at_most(starts_on, ends_on), self.length)

    def share(self, starts_on: dt.date, ends_on: dt.date) -> Fraction:
        """How much of it, by days, falls into these."""
        days = (min(ends_on, self.ends_on) - max(starts_on, self.starts_on)).days
        return Fraction(max(days, 0), self.length)


# Group, product, kind.
Key = tuple[str, str, str]
Spans = Mapping[Key, Sequence[Span]]


def spans(order: Order) -> Spans:
    """The phases of all lines. Those of one line do not overlap, so on a day there are as many as lines."""
    told = {line.line: line for line in stored.read(order.document, _Document).lines}
    exponents = {group.key: exponent(group.currency) for group in order.groups.all()}
    found: defaultdict[Key, list[Span]] = defaultdict(list)
    for row in order.lines.all():
        found[row.group, row.product, row.kind] += _of_line(order, row, told.get(row.line), exponents[row.group])
    return found


def days(order: Order) -> Mapping[int, tuple[dt.date, dt.date]]:
    """By number of the order line, from when on and until before when it is sold."""
    told = {line.line: line.phases for line in stored.read(order.document, _Document).lines}
    whole = order.starts_on, term_end(order)
    return {
        row.line: (min(p.starts_on for p in phases), max(p.ends_on for p in phases)) if phases else whole
        for row in order.lines.all()
        for phases in [told.get(row.line, ())]
    }


class Together:
    """The phases of all lines of a product as one for all of the same days: most lines of an order run as long."""

    def __init__(self, spans: Sequence[Span]) -> None:
        minor, discount = Counter[tuple[dt.date, dt.date]](), Counter[tuple[dt.date, dt.date]]()
        for span in spans:
            minor[span.starts_on, span.ends_on] += span.minor
            discount[span.starts_on, span.ends_on] += span.discount_minor
        self.spans = [Span(*days, minor[days], discount[days]) for days in minor]
        self._parts = math.lcm(*(span.length for span in self.spans))
        self._a_day = [(span, span.minor * (self._parts // span.length)) for span in self.spans]
        self._worth: dict[tuple[dt.date, dt.date], Fraction] = {}

    def worth(self, starts_on: dt.date, ends_on: dt.date) -> Fraction:
        """What the days from one until another cost at most, in minor units."""
        if (starts_on, ends_on) not in self._worth:
            parts = sum(a_day * span.days_at_most(starts_on, ends_on) for span, a_day in self._a_day)
            self._worth[starts_on, ends_on] = Fraction(parts, self._parts)
        return self._worth[starts_on, ends_on]


def _of_line(order: Order, row: Row, line: OrderLine | None, decimals: int) -> Iterator[Span]:
    if line is None or not line.phases:
        yield Span(order.starts_on, term_end(order), row.amount_minor, row.discount_minor)
        return
    amounts = amounts_of(order.starts_on, line, line.phases, decimals)
    before = amounts_of(order.starts_on, replace(line, discount_minor=0), line.phases, decimals)
    for phase, minor, listed in zip(line.phases, amounts, before, strict=True):
        yield Span(phase.starts_on, phase.ends_on, minor, listed - minor)
