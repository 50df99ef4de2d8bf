"""The entity's own day, as an instant."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo


def midnight(day: dt.date, zone: str) -> dt.datetime:
    """When a day begins in a zone, in UTC."""
    return dt.datetime.combine(day, dt.time.min, tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)
