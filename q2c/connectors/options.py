"""Options that every polled connection has, whatever its vendor: read strictly, refused by name."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

# Platforms stamp a change when it begins and show it when it commits: seldom later than this.
OVERLAP_S = 900.0
OVERLAP_S_MAX = 7 * 24 * 3600.0


class BadOption(ValueError):
    """The text says what was given and what to write instead; `option` is its name."""

    def __init__(self, option: str, given: Any, remedy: str) -> None:
        super().__init__(f"{option} is {str(given)[:60]!r}: {remedy}")
        self.option = option


def check(options: Mapping[str, Any]) -> list[BadOption]:
    """What is wrong with them, one per option."""
    found = []
    for read in (poll_from, poll_overlap_s):
        try:
            read(options)
        except BadOption as wrong:
            found.append(wrong)
    return found


def poll_from(options: Mapping[str, Any]) -> dt.datetime | None:
    """From when the first poll reads; UTC where it names no zone."""
    given = options.get("poll_from")
    if given in (None, ""):
        return None
    try:
        if not isinstance(given, str):
            raise ValueError
        instant = dt.datetime.fromisoformat(given)
        if not 1970 <= instant.year <= 9000:
            raise ValueError
    except ValueError:
        raise BadOption("poll_from", given, "write an instant such as 2026-12-31T00:00:00Z") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)


def poll_overlap_s(options: Mapping[str, Any]) -> float:
    """How many seconds before the begin of the last poll a poll begins to read."""
    given = options.get("poll_overlap_s")
    if given in (None, ""):
        return OVERLAP_S
    try:
        if isinstance(given, bool) or not isinstance(given, int | float | str):
            raise ValueError
        seconds = float(given)
        if not (math.isfinite(seconds) and OVERLAP_S <= seconds <= OVERLAP_S_MAX):
            raise ValueError
    except (ValueError, OverflowError):
        remedy = f"write a number of seconds, {OVERLAP_S:.0f} to {OVERLAP_S_MAX:.0f}, such as 1800"
        raise BadOption("poll_overlap_s", given, remedy) from None
    return seconds
