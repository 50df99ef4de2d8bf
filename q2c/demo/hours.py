"""The working hours of the teams, walked forward and back."""

from __future__ import annotations

import datetime as dt

from exceptions import calendars

_LOOK_BACK = dt.timedelta(days=90)
_MINUTE = dt.timedelta(minutes=1)


class Hours:
    """Read once the teams have their zones."""

    def __init__(self) -> None:
        self._calendars = calendars.of_teams()

    def after(self, team: str, start: dt.datetime, hours: float) -> dt.datetime:
        return self._calendars[team].after(start, round(hours * 3600))

    def before(self, team: str, end: dt.datetime, hours: float) -> dt.datetime:
        """The latest minute from which `hours` of work pass until `end`."""
        calendar, wanted_s = self._calendars[team], round(hours * 3600)
        early, late = end - _LOOK_BACK, end
        while late - early > _MINUTE:
            middle = early + (late - early) / 2
            early, late = (middle, late) if calendar.between(middle, end) >= wanted_s else (early, middle)
        return early
