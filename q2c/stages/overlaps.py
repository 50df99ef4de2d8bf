"""Which stretches of days meet others, and how high they pile up: what thousands of lines ask of each other, n log n.

Days are ordinals; a stretch ends before its last one.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction

# From a day on, until before another.
Days = tuple[int, int]


class Count:
    """How many stretches meet one."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, days: Days) -> None:
        insort(self._starts, days[0])
        insort(self._ends, days[1])

    def meeting(self, days: Days) -> int:
        # Whatever ended before it began as well.
        return bisect_left(self._starts, days[1]) - bisect_right(self._ends, days[0])


class Amounts:
    """What stretches that have an amount each come to where they meet one."""

    def __init__(self, ever: Collection[Days]) -> None:
        """`ever`: all that may be added."""
        self._days = sorted({day for days in ever for day in days})
        # Amounts per day are held as whole numbers of this part of a unit, so that sums are exact.
        self._parts = math.lcm(*{ends - starts for starts, ends in ever})
        self._begun, self._over = _Sums(len(self._days)), _Sums(len(self._days))

    def add(self, days: Days, minor: int) -> None:
        a_day = minor * (self._parts // (days[1] - days[0]))
        for sums, day in ((self._begun, days[0]), (self._over, days[1])):
            sums.add(bisect_left(self._days, day), (minor, a_day, a_day * day))

    def whole(self, days: Days) -> int:
        """Of all that meet these days."""
        return self._at(self._begun, days[1])[0] - self._at(self._over, days[0] + 1)[0]

    def within(self, days: Days) -> Fraction:
        """What of them falls into these days."""
        return Fraction(self._until(days[1]) - self._until(days[0]), self._parts)

    def _until(self, day: int) -> int:
        """What falls before a day: of what had begun, as many days as were gone, less those after its end."""
        (_, a_day, begun), (_, a_day_over, over) = self._at(self._begun, day), self._at(self._over, day)
        return (a_day - a_day_over) * day - begun + over

    def _at(self, sums: _Sums, day: int) -> tuple[int, int, int]:
        return sums.of_first(bisect_left(self._days, day))


class _Sums:
    """Sums of the first so many places: a Fenwick tree of three numbers each."""

    def __init__(self, places: int) -> None:
        self._nodes = [(0, 0, 0)] * (places + 1)

    def add(self, place: int, more: tuple[int, int, int]) -> None:
        place += 1
        while place < len(self._nodes):
            a, b, c = self._nodes[place]
            self._nodes[place] = a + more[0], b + more[1], c + more[2]
            place += place & -place

    def of_first(self, places: int) -> tuple[int, int, int]:
        a = b = c = 0
        while places:
            more = self._nodes[places]
            a, b, c = a + more[0], b + more[1], c + more[2]
            places &= places - 1
        return a, b, c


class Heights:
    """How high stretches pile up on each day: a segment tree over the days on which that changes."""

    def __init__(self, days: Iterable[int], ground: Sequence[Days], heaps: Iterable[tuple[Days, int]]) -> None:
        """`days`: all that stretches begin or end on. `heaps` stand on minus the number of `ground`, or minus one."""
        self._days = sorted({*days, *(day for one in ground for day in one)})
        depth, pile = self._steps((one, 1) for one in ground), self._steps(heaps)
        heights = [high - max(deep, 1) for high, deep in zip(pile, depth, strict=True)]
        self._size = 1 << (len(heights) - 1).bit_length()
        self._more = [0] * (2 * self._size)
        lowest = min(heights)
        self._top = [lowest] * self._size + heights + [lowest] * (self._size - len(heights))
        for node in range(self._size - 1, 0, -1):
            self._top[node] = max(self._top[2 * node], self._top[2 * node + 1])

    def add(self, days: Days) -> None:
        self._add(self._place(days[0]), self._place(days[1]), 1, 0, self._size)

    def highest(self, days: Days) -> int:
        return self._highest(self._place(days[0]), self._place(days[1]), 1, 0, self._size)

    def _place(self, day: int) -> int:
        return bisect_left(self._days, day)

    def _steps(self, stretches: Iterable[tuple[Days, int]]) -> list[int]:
        """From each of the days on until the next."""
        steps = [0] * len(self._days)
        for days, by in stretches:
            steps[self._place(days[0])] += by
            steps[self._place(days[1])] -= by
        for i in range(1, len(steps)):
            steps[i] += steps[i - 1]
        return steps

    def _add(self, first: int, until: int, node: int, low: int, high: int) -> None:
        if first <= low and high <= until:
            self._top[node] += 1
            self._more[node] += 1
        elif first < high and low < until:
            middle = (low + high) // 2
            self._add(first, until, 2 * node, low, middle)
            self._add(first, until, 2 * node + 1, middle, high)
            self._top[node] = max(self._top[2 * node], self._top[2 * node + 1]) + self._more[node]

    def _highest(self, first: int, until: int, node: int, low: int, high: int) -> int:
        if first <= low and high <= until:
            return self._top[node]
        middle = (low + high) // 2
        parts = []
        if first < middle:
            parts.append(self._highest(first, until, 2 * node, low, middle))
        if until > middle:
            parts.append(self._highest(first, until, 2 * node + 1, middle, high))
        return max(parts) + self._more[node]
