"""Master data that holds from one day to another; the day it ends on no longer counts."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError


def ends_after_it_begins(begins: dt.date | None, ends: dt.date | None) -> None:
    """For clean(): raises ValidationError at effective_to."""
    if begins is not None and ends is not None and ends < begins:
        raise ValidationError({"effective_to": "The end lies before the beginning"})
