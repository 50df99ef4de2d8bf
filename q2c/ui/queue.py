"""The queue: what failed and waits for somebody, by tab and filter; above it the causes, and what could be replayed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from exceptions import search, tabs, tallies, unblock
from exceptions.errors import QueryError
from exceptions.models import Team
from exceptions.models.case import ROOT_CAUSES, TO_DO
from ledger.models import FiscalPeriod, LegalEntity
from q2c import clock
from q2c.ui import cause, offers, parts, queue_csv
from q2c.ui.people import name_cases
from q2c.ui.rights import right

SHOWN = ("open", "team", "mine", "snoozed", "awaiting_approval", "replaying", "resolved", "all")
CARDS = 3


@require_safe
@right("exceptions.view_case")
def queue(request: HttpRequest) -> HttpResponseBase:
    """One tab, filtered; ?format=csv for all of it."""
    user, query = request.user, request.GET.get("q", "").strip()
    tab = request.GET.get("tab", "open")
    tab = tab if tab in SHOWN else "open"
    wrong: QueryError | None = None
    page, total = tabs.Page([]), (0, False)
    try:
        found = tabs.of_tab(tab, user).filter(search.parse(query, user))
        _known(user, query)
        if request.GET.get("format") == "csv":
            return queue_csv.answer(user, found, tab)
        total = tabs.capped_count(found)
        rows = found.select_related("owner_team", "assignee")
        page = tabs.page(rows, tab, cursor=request.GET.get("after") or request.GET.get("before") or "")
    except QueryError as error:
        wrong = error
    name_cases(page.rows)
    first = tab in ("open", "team") and not query and not request.GET.get("after") and not request.GET.get("before")
    context = {
        "tabs": _tabs(user, tab, query, total, wrong is None),
        "tab": tabs.TABS[tab],
        "page": page,
        "ready": unblock.ready(user, page.rows),
        "total": total[0],
        "more": total[1],
        "as_of": clock.now().isoformat(),
        "query": query,
        "wrong": wrong,
        "near": _near(wrong, query),
        "filters": _chips(query, tab) if wrong is None else [],
        "cleared": f"?{urlencode({'tab': tab})}",
        "watched": first,
        "offers": offers.shown(user, offers.ON_QUEUE) if first else [],
        "cards": cause.cards(user, _own_teams(user) if tab == "team" else (), limit=CARDS) if first else [],
        "export": f"?{urlencode({'tab': tab, 'q': query, 'format': 'csv'})}",
        **choices(user),
    }
    return render(request, "queue/queue.html", context)


def choices(user: Any) -> dict[str, Any]:
    """What the dialogs of cases offer: teams, people, times to snooze until, root causes."""
    people = get_user_model().objects.filter(is_active=True, teams__isnull=False).distinct().order_by("username")
    return {
        "teams": list(Team.objects.all()),
        "people": list(people[:200]),
        "root_causes": ROOT_CAUSES,
        "now": clock.now(),
        "naps": ((4, "4 hours"), (24, "1 day"), (72, "3 days"), (168, "a week")),
    }


def _own_teams(user: Any) -> list[str]:
    return list(user.teams.values_list("code", flat=True))


def _tabs(user: Any, current: str, query: str, total: tuple[int, bool], understood: bool) -> list[parts.Tab]:
    """Each with its count where that is cheap: with a filter the current one, and all where it finds nothing there."""
    counts: dict[str, int | None] = {}
    if not query or not understood:
        by_state = tallies.counts(user, "state")
        counts = {
            "open": sum(by_state.get(state, 0) for state in TO_DO),
            "team": sum(tallies.counts(user, "state", state__in=TO_DO, owner_team__in=_own_teams(user)).values()),
            "mine": tabs.capped_count(tabs.of_tab("mine", user))[0],
            **{state: by_state.get(state, 0) for state in ("snoozed", "awaiting_approval", "replaying")},
        }
    elif not total[0]:
        wanted = search.parse(query, user)
        counted = {name: tabs.capped_count(tabs.of_tab(name, user).filter(wanted)) for name in SHOWN if name != current}
        counts = {current: 0, **{name: number for name, (number, more) in counted.items() if not more}}
    elif not total[1]:
        counts = {current: total[0]}
    return [
        parts.Tab(
            tabs.TABS[name].title,
            "?" + urlencode({"tab": name, "q": query} if query else {"tab": name}),
            counts.get(name),
            name == current,
        )
        for name in SHOWN
    ]


def _chips(query: str, tab: str) -> list[parts.Chip]:
    """Each term, and the address without it."""
    found = search.terms(query)
    ends = [*(term.at for term in found[1:]), len(query)]
    chips = []
    for term, end in zip(found, ends, strict=False):
        rest = f"{query[: term.at]} {query[end:]}".strip()
        label = f"{'not ' if term.negated else ''}{term.key or 'word'}"
        if term.key == "amount" and not re.search(r"[A-Za-z]{3}$", term.value):
            # 10,000 are few in yen and many in euros.
            label += ", each in its own currency"
        chips.append(parts.Chip(label, term.value, f"?{urlencode({'tab': tab, 'q': rest})}"))
    return chips


def _known(user: Any, query: str) -> None:
    """Raises QueryError for an entity or a period that neither books nor cases have: no empty list for a slip."""
    for term in search.terms(query):
        if term.key not in _BOOKED:
            continue
        given = [term.value] if term.quoted else [part for part in term.value.split(",") if part]
        names = set(_BOOKED[term.key]())
        for value in given:
            if value.upper() in names or value in names or value in (seen := tallies.counts(user, term.key)):
                continue
            there = sorted(names | (seen.keys() - {""}))
            raise QueryError(
                f"{term.key}:{value} is not known; {_example(term.key, there)}", term.at, tuple(there[:20])
            )


_BOOKED: dict[str, Callable[[], Iterable[str]]] = {
    "entity": lambda: LegalEntity.objects.values_list("code", flat=True),
    "period": lambda: FiscalPeriod.objects.order_by().values_list("name", flat=True).distinct(),
}


def _example(key: str, there: Sequence[str]) -> str:
    if key == "period":
        return f"write it like {clock.today():%Y-%m}"
    return f"there are {', '.join(there[:20])}" if there else "there is none yet"


def _near(wrong: QueryError | None, query: str) -> str:
    """The part of the query at which it went wrong."""
    return query[wrong.at : wrong.at + 30].partition(" ")[0] if wrong is not None else ""


@require_safe
@right("exceptions.view_case")
def complete(request: HttpRequest) -> JsonResponse:
    """What could come next in the query bar; `token` is the word at the cursor."""
    token = request.GET.get("token", "")[:200]
    found = search.complete(token, len(token), request.user)
    rows = [{"value": token[: one.start] + one.insert, "label": one.help} for one in found]
    return JsonResponse({"choices": rows})
