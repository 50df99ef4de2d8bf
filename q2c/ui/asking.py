"""Forms that ask the engine for something on a day, for a reason: what was said is told on the page that follows."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable

from django.http import HttpRequest

from exceptions.errors import NotPossible, Refused
from q2c import clock
from q2c.ui.frame import tell
from q2c.ui.rights import Denied

Ask = Callable[[dt.date, str, str], object]


def ask(request: HttpRequest, act: Ask, happened: str, then: Callable[[dt.date], str]) -> bool:
    """Read `effective_on`, `reason` and `token` of the form and act; tell how it went. Denied without the right.

    `then` says what follows from the day that was asked for.
    """
    try:
        day = dt.date.fromisoformat(request.POST.get("effective_on", ""))
        if not clock.is_tellable(day):
            raise ValueError
    except ValueError:
        tell(request, "bad", "Nothing was asked for.", "The day is missing or no date; write it like 2026-10-31.")
        return False
    try:
        act(day, request.POST.get("reason", ""), _token(request.POST.get("token", "")))
    except NotPossible as error:
        tell(request, "bad", "Nothing was asked for.", f"{error.text}.")
        return False
    except Refused as error:
        raise Denied(error.right) from error
    tell(request, "busy", happened, then(day))
    return True


def _token(text: str) -> str:
    """The form's own id, so that it counts once however often it is sent; anything else counts as none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""
