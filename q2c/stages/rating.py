"""What usage comes to by the terms of the order lines that sold it, for the billing periods in which it falls. Pure."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import msgspec

from q2c.contracts import stored
from q2c.contracts.documents import Billing, OrderLine, PriceTier, UsageTerms
from q2c.models import Order
from q2c.stages.controls.calendar import add_months, term_end
from q2c.stages.controls.schedule import MONTHS


class _Document(msgspec.Struct):
    """What of an order's document says its usage terms."""

    lines: tuple[OrderLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Agreed:
    """The usage terms of one phase of an order line; it ends before `ends_on`. `anchor`: from when periods are cut."""

    line: int
    starts_on: dt.date
    ends_on: dt.date
    anchor: dt.date
    billing: Billing
    terms: UsageTerms

    def meets(self, starts_on: dt.date, ends_on: dt.date) -> bool:
        return self.starts_on < ends_on and starts_on < self.ends_on

    def periods(self, starts_on: dt.date, ends_on: dt.date) -> tuple[dt.date, dt.date, int]:
        """From the start of the first billing period that the days meet to the end of the last; how many they fill."""
        cuts = [cut for cut in self._cuts(starts_on, ends_on) if self.starts_on < cut < self.ends_on]
        first = max((cut for cut in cuts if cut <= starts_on), default=self.starts_on)
        last = min((cut for cut in cuts if cut >= ends_on), default=self.ends_on)
        met = [first, *(cut for cut in cuts if starts_on < cut < ends_on), last]
        filled = sum(starts_on <= one and other <= ends_on for one, other in itertools.pairwise(met))
        return first, last, max(filled, 1)

    def _cuts(self, starts_on: dt.date, ends_on: dt.date) -> Iterator[dt.date]:
        """The days on which a billing period begins, from at or before the first day to at or after the last."""
        step = MONTHS.get(self.billing.frequency)
        if step is None:
            return
        origin = self.anchor.replace(day=1) if self.billing.alignment == "calendar_month" else self.anchor
        if origin < self.anchor:
            # The rest of the month in which it begins is a period of its own.
            origin = add_months(origin, 1)
        months = (starts_on.year - origin.year) * 12 + starts_on.month - origin.month
        number = months // step - 1
        while True:
            cut = add_months(origin, step * number)
            yield cut
            if cut >= ends_on:
                return
            number += 1


def agreed(order: Order) -> dict[tuple[str, str], list[Agreed]]:
    """By group and product, the terms on which an order sold usage of it; nothing of what names no price."""
    found: dict[tuple[str, str], list[Agreed]] = {}
    until = term_end(order)
    for line in stored.read(order.document, _Document).lines:
        if line.kind != "usage" or line.usage is None or not line.usage.tiers:
            continue
        for starts_on, ends_on in [(p.starts_on, p.ends_on) for p in line.phases] or [(order.starts_on, until)]:
            own = line.billing.alignment == "calendar_month" or starts_on < order.starts_on
            found.setdefault((line.group, line.product), []).append(
                Agreed(line.line, starts_on, ends_on, starts_on if own else order.starts_on, line.billing, line.usage)
            )
    return found


def worth(terms: UsageTerms, quantity: Fraction) -> Fraction:
    """What so much usage in one billing period costs, in currency units.

    Tiers count from the first unit beyond what is included. Graduated, each unit has the price of its tier, and each
    tier that is reached its fee; by volume, the last tier reached has all of them.
    """
    beyond = quantity - Fraction(terms.included_quantity)
    if beyond <= 0:
        return Fraction(0)
    if terms.model == "volume":
        tier = next((one for one in terms.tiers if one.up_to is None or beyond <= Fraction(one.up_to)), terms.tiers[-1])
        return _of_tier(tier, beyond)
    found, reached = Fraction(0), Fraction(0)
    for tier in terms.tiers:
        end = beyond if tier.up_to is None else min(beyond, Fraction(tier.up_to))
        found += _of_tier(tier, end - reached)
        reached = end
        if reached >= beyond:
            break
    return found


def _of_tier(tier: PriceTier, units: Fraction) -> Fraction:
    return units * Fraction(tier.unit_price) + Fraction(tier.flat_fee)


def at_most(terms: UsageTerms, quantity: Fraction, periods: int) -> Fraction:
    """What it costs where it fell into several billing periods and nobody knows how: all into one, or evenly."""
    return max(worth(terms, quantity), periods * worth(terms, quantity / periods))


def of_days(known: Sequence[Agreed], starts_on: dt.date, ends_on: dt.date) -> Sequence[Agreed]:
    """Those whose phase meets the days; where none does, all."""
    return [one for one in known if one.meets(starts_on, ends_on)] or known
