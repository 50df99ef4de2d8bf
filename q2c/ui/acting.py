"""How a page answers what a person did: what happened and what was left, on the page that they came from; where that is
not known, on the page of the record that it was about."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from exceptions.done import Done
from exceptions.errors import NotPossible, QueryError, Refused
from exceptions.models import Approval, Case
from exceptions.sentences import count
from q2c.ui import formats
from q2c.ui.frame import tell
from q2c.ui.rights import refused

View = Callable[..., HttpResponse]


def answering(view: View) -> View:
    """What a verb refuses is told: a missing right by its page, anything else where the person came from, or on the
    page of the record that the address names.

    A dialog that asked for it ({% dialog … here=True %}) is told inside, and stays open.
    """

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return onwards(request, view(request, *args, **kwargs))
        except Refused as error:
            return refused(request, error.right, "" if error.right else f"{error.text[:1].upper()}{error.text[1:]}.")
        except (NotPossible, QueryError) as error:
            if in_dialog(request):
                return refusal(request, f"{error.text}.")
            tell(request, "bad", "Not done.", f"{error.text}.")
            return HttpResponseRedirect(back(request, about=_about(request, kwargs)))

    return answered


# Of what an address names, the page that shows it; an offer is a card among others.
_PAGES = {"case_id": "case", "batch_id": "replay", "problem_id": "problem"}


def _about(request: HttpRequest, named: Mapping[str, Any]) -> str:
    """The page of the record that an address names; empty where it names none that has one."""
    for name, page in _PAGES.items():
        if name in named:
            return address_of(page, named[name])
    if "offer_id" in named:
        return address_of("offers")
    if "approval_id" in named:
        asked = Approval.objects.filter(id=named["approval_id"]).first()
        seen = case_of(request, asked.case_id) if asked is not None and asked.case_id else None
        return address_of("case", seen.id) if seen is not None else address_of("approvals")
    return ""


def in_dialog(request: HttpRequest) -> bool:
    """Whether a dialog sent this that can show a refusal."""
    return request.method == "POST" and request.headers.get("HX-Request") == "true"


def refusal(request: HttpRequest, text: str) -> HttpResponse:
    """Why not, for the dialog that asked."""
    return render(request, "parts/refusal.html", {"text": text}, status=422)


def onwards(request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
    """To the page that follows, also for a dialog: the browser goes there itself."""
    if in_dialog(request) and isinstance(response, HttpResponseRedirect):
        return HttpResponse(status=204, headers={"HX-Redirect": response.url})
    return response  # type: ignore[return-value]


def back(request: HttpRequest, otherwise: str = "queue", about: str = "") -> str:
    """The address that the form names, else the page it stood on, else that of what it is about, else a place of ours;
    never another host.
    """
    referer = urlsplit(request.headers.get("Referer", ""))
    came_from = f"{referer.path}?{referer.query}" if referer.query else referer.path
    for address in (request.POST.get("back", ""), came_from if referer.netloc == request.get_host() else ""):
        if address and url_has_allowed_host_and_scheme(address, allowed_hosts=None):
            return address
    return about or address_of(otherwise) or "/"


def address_of(name: str, *args: Any) -> str:
    """The address of a page by its name; empty where that page is not installed."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def told(request: HttpRequest, done: Done, happened: str, then: str = "", tone: str = "good") -> None:
    """“3 cases claimed.” and what was left, each with its reason where they are few."""
    if done.done:
        tell(request, tone, f"{count(len(done.done), 'case')} {happened}.", then)
    if done.left:
        reasons = list(dict.fromkeys(done.left.values()))
        shown = "; ".join(reasons[:5]) + (f"; and {len(reasons) - 5} more" if len(reasons) > 5 else "")
        tell(
            request,
            "warn",
            f"{count(len(done.left), 'case')} left as {'it was' if len(done.left) == 1 else 'they were'}:",
            f"{shown}.",
        )


def whole(text: str, what: str, most: int = 100_000) -> int:
    """A number that a form sent. Raises NotPossible naming the field."""
    if not text.strip():
        return 0
    if not text.strip().isascii() or not text.strip().isdigit() or int(text) > most:
        raise NotPossible(f"{what} is a whole number from 0 to {formats.number(most)}")
    return int(text)


def case_of(request: HttpRequest, case_id: Any) -> Case | None:
    """A case that this person may see."""
    seen = Case.objects.visible_to(request.user).select_related("owner_team", "assignee", "problem")
    found: Case | None = seen.filter(id=case_id).first()
    return found
