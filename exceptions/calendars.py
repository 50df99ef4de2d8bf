"""Business time: the hours in which a team works, in its own zone, without its holidays.

Instants in and out are aware; spans are whole seconds. A day with a change of summer time has the hours its clock
shows: from 8 to 18 are ten hours on every working day, as people understand it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db.models import Q

from exceptions.models import Holiday, Team

# A calendar with more free days in a row than this is a mistake; better late than never ending.
FREE_DAYS_MAX = 366


@dataclass(frozen=True, slots=True)
class Calendar:
    """When one team works. `workdays` are ISO weekdays."""

    zone: ZoneInfo
    opens_at: dt.time
    closes_at: dt.time
    workdays: frozenset[int]
    holidays: frozenset[dt.date] = frozenset()

    def works_on(self, day: dt.date) -> bool:
        return day.isoweekday() in self.workdays and day not in self.holidays

    def hours_of(self, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
        """When work begins and ends on a day, in UTC."""
        begin = dt.datetime.combine(day, self.opens_at, self.zone)
        end = dt.datetime.combine(day, self.closes_at, self.zone)
        return begin.astimezone(dt.UTC), end.astimezone(dt.UTC)

    def _spans(self, start: dt.datetime) -> Iterator[tuple[dt.datetime, dt.datetime]]:
        day, free = start.astimezone(self.zone).date(), 0
        while True:
            if self.works_on(day) or free > FREE_DAYS_MAX:
                free = 0
                begin, end = self.hours_of(day)
                if end > start:
                    yield max(begin, start), end
            else:
                free += 1
            day += dt.timedelta(days=1)

    def after(self, start: dt.datetime, work_s: int) -> dt.datetime:
        """The instant at which `work_s` seconds of business time have passed since `start`."""
        left = dt.timedelta(seconds=max(work_s, 0))
        for begin, end in self._spans(start):
            if left <= end - begin:
                return begin + left
            left -= end - begin
        raise AssertionError("a calendar never ends")

    def between(self, start: dt.datetime, end: dt.datetime) -> int:
        """Seconds of business time from `start` to `end`; 0 where end is not later."""
        total = dt.timedelta(0)
        for span_begin, span_end in self._spans(start):
            if span_begin >= end:
                break
            total += min(span_end, end) - span_begin
        return int(total.total_seconds())


def of_teams(codes: set[str] | None = None) -> dict[str, Calendar]:
    """The calendars of these teams, or of all, by code: two statements."""
    teams = Team.objects.all() if codes is None else Team.objects.filter(code__in=codes)
    days: dict[str | None, set[dt.date]] = {}
    chosen = Q() if codes is None else Q(team__in=codes) | Q(team=None)
    for team_code, day in Holiday.objects.filter(chosen).values_list("team_id", "day"):
        days.setdefault(team_code, set()).add(day)
    return {
        team.code: Calendar(
            zone=ZoneInfo(team.zone),
            opens_at=team.opens_at,
            closes_at=team.closes_at,
            workdays=frozenset(int(digit) for digit in team.workdays),
            holidays=frozenset(days.get(team.code, set()) | days.get(None, set())),
        )
        for team in teams
    }
