"""What happens when: a list of instants with what is to be done at each, which grows while it is worked off."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Callable, Iterator

Act = Callable[[], None]


class Agenda:
    """Acts planned after the end never happen: they are what is still open when the story stops."""

    def __init__(self, ends_at: dt.datetime) -> None:
        self.ends_at = ends_at
        self._heap: list[tuple[dt.datetime, int, Act]] = []
        self._planned = 0

    def plan(self, at: dt.datetime, act: Act) -> None:
        self._planned += 1
        heapq.heappush(self._heap, (at, self._planned, act))

    def __iter__(self) -> Iterator[tuple[dt.datetime, Act]]:
        """In order of time, until nothing more is planned before the end."""
        while self._heap and self._heap[0][0] <= self.ends_at:
            at, _, act = heapq.heappop(self._heap)
            yield at, act


def office_hours(instant: dt.datetime) -> dt.datetime:
    """The instant, or the next morning on which people work: Monday to Friday, 8 to 17 UTC."""
    if instant.hour >= 17:
        instant = (instant + dt.timedelta(days=1)).replace(hour=8)
    elif instant.hour < 8:
        instant = instant.replace(hour=8)
    while instant.weekday() > 4:
        instant = (instant + dt.timedelta(days=1)).replace(hour=8)
    return instant
