"""Forms that ask the engine for something on a day, for a reason: what was said is told on the page that follows."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from exceptions.errors import NotPossible, Refused
from q2c import clock
from q2c.ui import acting, formats
from q2c.ui.frame import tell
from q2c.ui.rights import Denied

_MONTH = re.compile(r"(?<![\w-])\d{4}-\d{2}(?![\w-])")
Ask = Callable[[dt.date, str, str], object]


def ask(request: HttpRequest, act: Ask, page: str, happened: str, then: Callable[[dt.date], str]) -> HttpResponse:
    """Read `effective_on`, `reason` and `token` of the form and act; to `page`, where it is told how it went.

    A refusal is said in the dialog that asked. Denied without the right. `then` says what follows from the day that
    was asked for.
    """
    try:
        day = _day(request.POST.get("effective_on", ""))
        act(day, request.POST.get("reason", ""), _token(request.POST.get("token", "")))
    except NotPossible as error:
        why = formats.dates(_MONTH.sub(_in_words, ". ".join(filter(None, (error.text, error.remedy))))) + "."
        if acting.in_dialog(request):
            return acting.refusal(request, why)
        tell(request, "bad", "Nothing was asked for.", why)
        return redirect(page)
    except Refused as error:
        raise Denied(error.right) from error
    tell(request, "busy", happened, then(day))
    return acting.onwards(request, redirect(page))


def _in_words(month: re.Match[str]) -> str:
    return formats.period_text(month[0])


def _day(text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or not clock.is_tellable(day):
        raise NotPossible("The day is missing or no date; write it like 2026-10-31")
    return day


def _token(text: str) -> str:
    """The form's own id, so that it counts once however often it is sent; anything else counts as none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""
