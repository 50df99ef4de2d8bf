"""Master data that holds from one day to another; the day it ends on no longer counts."""

from __future__ import annotations

import datetime as dt
from typing import Any


def ends_before_it_begins(begins: dt.date | None, ends: dt.date | None) -> dict[str, Any]:
    """What is wrong with two days, for clean(): at effective_to, or nothing."""
    if begins is not None and ends is not None and ends < begins:
        return {"effective_to": "The end lies before the beginning"}
    return {}
