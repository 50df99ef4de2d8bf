"""The only now(). Always aware, always UTC; scenarios and the demo year move it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

_offset = dt.timedelta(0)
_frozen: dt.datetime | None = None


def now() -> dt.datetime:
    """This instant, aware, in UTC."""
    return _frozen or dt.datetime.now(dt.UTC) + _offset


def today(zone: str = "UTC") -> dt.date:
    """The calendar day in a zone; accounting asks with the legal entity's zone."""
    return now().astimezone(ZoneInfo(zone)).date()


def is_tellable(day: dt.date) -> bool:
    """Whether a day, or an instant, from outside is one: close to either end of time no zone and no sum holds it."""
    return 1900 <= day.year <= 9000


def is_moved() -> bool:
    """Whether now() differs from the machine's clock."""
    return _frozen is not None or _offset != dt.timedelta(0)


def move_to(instant: dt.datetime | None) -> None:
    """Let time run on from `instant` in this process; None returns to the machine's clock."""
    global _offset, _frozen
    _frozen = None
    _offset = dt.timedelta(0) if instant is None else instant - dt.datetime.now(dt.UTC)


@contextmanager
def at(instant: dt.datetime) -> Iterator[None]:
    """Time stands still at `instant` inside the block."""
    global _frozen
    before, _frozen = _frozen, instant
    try:
        yield
    finally:
        _frozen = before


def days(count: float) -> dt.timedelta:
    """A span in days."""
    return dt.timedelta(days=count)


def seconds(count: float) -> dt.timedelta:
    """A span in seconds."""
    return dt.timedelta(seconds=count)
