"""What happens when: a list of instants with what is to be done at each, which grows while it is worked off."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Callable, Iterator

Act = Callable[[], None]

# People look at their queue at these times of the day (UTC). What is done at one time is worked off at once.
SITTINGS = (dt.time(8, 40), dt.time(11, 20), dt.time(14, 10), dt.time(16, 50), dt.time(19, 30))


class Agenda:
    """Acts planned after the end never happen: they are what is still open when the story stops."""

    def __init__(self, ends_at: dt.datetime) -> None:
        self.ends_at = ends_at
        self._heap: list[tuple[dt.datetime, int, Act]] = []
        self._planned = 0

    def plan(self, at: dt.datetime, act: Act) -> None:
        self._planned += 1
        heapq.heappush(self._heap, (at, self._planned, act))

    def __iter__(self) -> Iterator[tuple[dt.datetime, list[Act]]]:
        """Each instant with all that is to be done at it, in order, until nothing more is planned before the end."""
        while self._heap and self._heap[0][0] <= self.ends_at:
            at = self._heap[0][0]
            acts = []
            while self._heap and self._heap[0][0] == at:
                acts.append(heapq.heappop(self._heap)[2])
            yield at, acts


def sitting(instant: dt.datetime) -> dt.datetime:
    """The first sitting at or after an instant, of whatever day."""
    for time in SITTINGS:
        at = dt.datetime.combine(instant.date(), time, instant.tzinfo)
        if at >= instant:
            return at
    return dt.datetime.combine(instant.date() + dt.timedelta(days=1), SITTINGS[0], instant.tzinfo)


def office_hours(instant: dt.datetime) -> dt.datetime:
    """The instant, or the next morning on which people work: Monday to Friday, 8 to 17 UTC."""
    if instant.hour >= 17:
        instant = (instant + dt.timedelta(days=1)).replace(hour=8)
    elif instant.hour < 8:
        instant = instant.replace(hour=8)
    while instant.weekday() > 4:
        instant = (instant + dt.timedelta(days=1)).replace(hour=8)
    return instant
