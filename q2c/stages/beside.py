"""What stands beside each line of an invoice: what is billed and taken back for days of it, asked of many at once."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from fractions import Fraction

from q2c.stages.overlaps import Amounts, Count
from q2c.stages.periods import Key, Own, Period, Periods

# Rounding falls to either side: that of more lines than this together hardly ever comes to more units than this.
MOST_ROUNDED = 5


def each(own: Own, periods: Periods, sign: int) -> Iterator[tuple[int, Period, Beside]]:
    """The lines that bill (1) or take back (-1), by place, with what they meet: all that is billed, and of the invoice
    what stands before.

    What a line bills is seen beside all that its invoice takes back, and the reverse, in whatever order they stand.
    """
    beside: dict[Key, Beside] = {}
    for i, mine in own.items():
        if mine.sign != sign:
            continue
        if mine.of not in beside:
            of_it = [one for one in own.values() if one.of == mine.of]
            there = [*about(of_it, periods), *(one for one in of_it if one.sign != sign)]
            beside[mine.of] = Beside(there, of_it)
        yield i, mine, beside[mine.of]
        beside[mine.of].add(mine)


def about(of_it: Collection[Period], periods: Periods) -> list[Period]:
    """What is billed between the first and the last day of periods of one product; of it, whatever meets any."""
    first, last = min(one.starts_on for one in of_it), max(one.ends_on for one in of_it)
    there = periods.get(next(iter(of_it)).of, ())
    return [one for one in there if one.starts_on < last and first < one.ends_on]


class Beside:
    """Periods of one product; each question is about those of them that meet the one asked for."""

    def __init__(self, there: Collection[Period], more: Iterable[Period]) -> None:
        """`more`: what may be added."""
        ever = {one.stretch for one in (*there, *more)}
        self.billed, self.back = Amounts(ever), Amounts(ever)
        self._billed, self._back = Count(), Count()
        self._charges: defaultdict[str, Count] = defaultdict(Count)
        self._invoices: defaultdict[str, Count] = defaultdict(Count)
        self._alike: defaultdict[tuple[object, ...], list[str]] = defaultdict(list)
        self._alike_back: Counter[tuple[object, ...]] = Counter()
        self._by_days: Counter[tuple[dt.date, dt.date]] = Counter()
        for one in there:
            self.add(one)

    def add(self, one: Period) -> None:
        self._alike[one.days, one.net_minor, one.charge].append(one.invoice)
        if one.sign < 0:
            self.back.add(one.stretch, one.net_minor)
            self._back.add(one.stretch)
            self._alike_back[one.days, -one.net_minor] += 1
            return
        self.billed.add(one.stretch, one.net_minor)
        self._by_days[one.days] += one.net_minor
        for count in (self._billed, self._charges[one.charge], self._invoices[one.invoice]):
            count.add(one.stretch)

    def is_billed(self, mine: Period) -> bool:
        return self._billed.meeting(mine.stretch) > 0

    def invoices(self, mine: Period) -> list[str]:
        """That bill days of it."""
        return [name for name, count in self._invoices.items() if count.meeting(mine.stretch)]

    def repeats(self, mine: Period) -> bool:
        """Beyond doubt the same: one charge, and of usage, which may be told later, as much for the same days."""
        if mine.kind == "usage":
            return bool(self.alike(mine))
        return mine.charge in self._charges and self._charges[mine.charge].meeting(mine.stretch) > 0

    def alike(self, mine: Period) -> list[str]:
        """The invoices that bill, or take back, as much for the same days under the same name."""
        return self._alike.get((mine.days, mine.net_minor, mine.charge), [])

    def taken_back(self, mine: Period) -> int:
        """How often as much was taken back for the same days, whatever it is called."""
        return self._alike_back[mine.days, mine.net_minor]

    def rounded(self, mine: Period) -> int:
        """Each line was rounded once, by one minor unit at most."""
        return min(self._billed.meeting(mine.stretch) + self._back.meeting(mine.stretch) + 1, MOST_ROUNDED)

    def share(self, mine: Period, more_days: int) -> Fraction:
        """What of all that bills them falls into the days, and so many more of each, in minor units."""
        of_them = (one for one in self._by_days.items() if one[0][0] < mine.ends_on and mine.starts_on < one[0][1])
        return sum((_within(mine, days, minor, more_days) for days, minor in of_them), Fraction(0))


def _within(mine: Period, days: tuple[dt.date, dt.date], minor: int, more_days: int) -> Fraction:
    """What of an amount for days falls into those of a period that they meet; all of it at most."""
    met = (min(days[1], mine.ends_on) - max(days[0], mine.starts_on)).days + more_days
    return minor * min(Fraction(met, (days[1] - days[0]).days), Fraction(1))
