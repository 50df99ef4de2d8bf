"""The frame around every page: navigation by right, keys, who is here, and what just happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from q2c import clock
from q2c.ui import formats, preferences


@dataclass(frozen=True)
class Place:
    """One item of the navigation. `right` empty: for any person; "staff": for who may enter the admin."""

    label: str
    view: str
    icon: str
    right: str
    go: str = ""
    group: str = ""


SHEETS = (
    "css/base.css",
    "css/frame.css",
    "css/parts.css",
    "css/records.css",
    "css/charts.css",
    "css/pages.css",
    "css/cases.css",
    "css/print.css",
)

# `go` is the letter after g. An item whose page is not installed (sandboxes in production) is absent.
PLACES = (
    Place("Control tower", "control-tower", "layout-dashboard", "q2c.view_step", "h"),
    Place("Queue", "queue", "inbox", "exceptions.view_case", "q"),
    Place("Problems", "problems", "layers", "exceptions.view_problem", "p"),
    Place("Replays", "replays", "rotate-cw", "exceptions.view_case", "r"),
    Place("Approvals", "approvals", "user-check", "exceptions.view_case", "v"),
    Place("Trace", "trace", "route", "q2c.view_event", "t"),
    Place("Orders", "orders", "shopping-cart", "q2c.view_order", "o", "Records"),
    Place("Invoices", "invoices", "receipt", "q2c.view_invoice", "i", "Records"),
    Place("Journals", "journals", "book-open", "ledger.view_journalentry", "j", "Records"),
    Place("Process", "process", "workflow", "q2c.view_step", "w", "System"),
    Place("Sandbox switches", "sandbox", "flask-conical", "q2c.use_sandbox", "s", "System"),
    Place("Admin", "admin:index", "settings-2", "staff", "a", "System"),
    Place("API", "api-docs", "braces", "", "d", "System"),
)

# What keys.js does, as the help shows it.
KEYS = (
    (
        "Move",
        (("j", "next row"), ("k", "previous row"), ("Enter", "open"), ("x", "select"), ("X", "select up to here")),
    ),
    ("Act", (("c", "claim"), ("a", "assign"), ("y", "replay"), ("h", "snooze"))),
    ("Find", (("/", "search"), ("f", "filter this list"), ("g", "then a letter: go to a page"), ("?", "this help"))),
)


def places(request: HttpRequest) -> list[tuple[str, list[dict[str, Any]]]]:
    """The navigation this person may use: (group, items) in the order of PLACES."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for place in PLACES:
        if not _may(request.user, place.right):
            continue
        try:
            href = reverse(place.view)
        except NoReverseMatch:
            continue
        here = request.path == href or (href != "/" and request.path.startswith(href.rstrip("/") + "/"))
        item = {"label": place.label, "icon": place.icon, "href": href, "go": place.go, "here": here}
        groups.setdefault(place.group, []).append(item)
    return list(groups.items())


def _may(user: Any, right: str) -> bool:
    if right == "staff":
        return bool(user.is_staff)
    return not right or bool(user.has_perm(right))


def context(request: HttpRequest) -> dict[str, Any]:
    """Template context of every page. The navigation is worked out only where a template asks for it."""
    user = getattr(request, "user", None)
    known = bool(user and user.is_authenticated)
    return {
        "preferences": getattr(request, "preferences", preferences.current()),
        "themes": preferences.THEMES,
        "places": (lambda: places(request)) if known else [],
        "keys": KEYS,
        "sheets": SHEETS,
        "moved_clock": clock.now() if clock.is_moved() else None,
    }


_LEVELS = {"good": messages.SUCCESS, "busy": messages.INFO, "warn": messages.WARNING, "bad": messages.ERROR}


def tell(request: HttpRequest, tone: str, happened: str, then: str = "", *, href: str = "", link: str = "") -> None:
    """Say what happened and what comes next, on the page that follows (or in place, see parts/messages.html).

    tone: good, busy, warn, bad. "Queued, not done" is busy: good is only for what is confirmed.
    """
    happened, then = formats.dates(happened), formats.dates(then)
    following = format_html(" <span>{}</span>", then) if then else ""
    address = format_html(' <a href="{}">{}</a>', href, link or "Open") if href else ""
    said = format_html("<strong>{}</strong>{}{}", happened, following, address)
    # Pressed twice, it is told once: what the first press has said stands there unread.
    unread: Any = messages.get_messages(request)
    known = {str(message) for message in unread}
    unread.used = False
    if said not in known:
        messages.add_message(request, _LEVELS[tone], said, extra_tags=tone)
