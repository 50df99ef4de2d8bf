"""Problems: one card per root cause, and a page with all that it blocks."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from exceptions import problems as causes
from exceptions import rights, sentences, tabs, unblock
from exceptions.models import Case, Policy, Problem
from exceptions.models.case import REPLAYABLE, UNRESOLVED
from exceptions.models.problem import ProblemAmount
from q2c.engine import breaker, desk
from q2c.models.connection import called
from q2c.money import Money
from q2c.reading.coming import doing_of
from q2c.ui import cause, links, parts
from q2c.ui.acting import answering
from q2c.ui.frame import tell
from q2c.ui.people import name_cases
from q2c.ui.rights import right

ROWS = 25
# Of what waits for a platform that is down.
WAITING = 50


@require_safe
@right("exceptions.view_problem")
def problems(request: HttpRequest) -> HttpResponse:
    """Open causes, the largest or the latest first; or those that ended lately."""
    view = request.GET.get("view", "cases")
    view = view if view in ("cases", "last_seen", "ended") else "cases"
    names = (("cases", "Largest"), ("last_seen", "Latest"), ("ended", "Ended lately"))
    cards: list[cause.Card] = []
    ended: list[Problem] = []
    if view == "ended":
        seen = Problem.objects.visible_to(request.user).filter(state="resolved").select_related("owner_team")
        ended = list(seen.order_by("-resolved_at", "-id")[:50])
    else:
        cards = cause.cards(request.user, by=view, limit=60)
    context = {
        "tabs": [parts.Tab(label, f"?view={name}", current=name == view) for name, label in names],
        "view": view,
        "cards": cards,
        "ended": ended,
    }
    return render(request, "problems/problems.html", context)


@require_safe
@right("exceptions.view_problem")
def problem(request: HttpRequest, problem_id: uuid.UUID) -> HttpResponse:
    """One cause: what it blocks, what to do, its cases."""
    found = Problem.objects.visible_to(request.user).select_related("owner_team").filter(id=problem_id).first()
    if found is None:
        raise Http404
    policy = Policy.objects.filter(reason=found.reason).first()
    cases = Case.objects.visible_to(request.user).filter(problem=found, state__in=UNRESOLVED)
    page = tabs.page(cases.select_related("owner_team", "assignee"), "all", size=ROWS)
    name_cases(page.rows)
    gone = found.id in unblock.gone_now(request.user, [found])
    handed_to = cause.handed_over([found]).get(found.id, "")
    raw = found.id in causes.kept_raw([found])
    card = cause.card_of(found, causes.totals([found.id])[found.id], gone=gone, handed_to=handed_to, kept_raw=raw)
    blocker = (found.blocker_connection, found.blocker_type, found.blocker_key, found.blocker_condition)
    context = {
        "crumbs": [parts.Crumb("Problems", reverse("problems")), parts.Crumb(f"P-{found.number}")],
        "problem": found,
        "card": card,
        "policy": policy,
        "platform": called([found.connection]).get(found.connection, ""),
        # Platforms end their sentences as they like; ours goes on after it.
        "said": str(found.waiting.get("text") or "").rstrip(" ."),
        "blocker": sentences.thing(blocker) if found.blocker_type else "",
        "condition": found.blocker_condition,
        "page": page,
        "ready": unblock.ready(request.user, page.rows),
        "tab": tabs.TABS["all"],
        "blocked": _blocked(request.user, found),
        **_waiting(request.user, found),
        "facts": parts.facts(
            ("Cases open", card.totals.cases),
            ("Owner", card.owner),
            ("Platform", found.connection),
            ("Code", found.code),
            ("Stands in the way", sentences.thing(blocker) if found.blocker_type else ""),
        ),
    }
    return render(request, "problems/problem.html", context)


def _waiting(user: Any, found: Problem) -> dict[str, Any]:
    """What waits for a platform that is down: {waiting, waiting_count}, the newest of them."""
    if found.kind != "connection" or found.state != "open":
        return {"waiting": [], "waiting_count": 0}
    steps = breaker.steps_waiting_for(user, found.connection)
    rows = [
        {
            "step": step, "does": doing_of(step), "href": links.to("trace", q=step.business_key),
            # What was there before waited for something else until then.
            "since": max(step.created_at, found.first_seen_at),
        }
        for step in steps[:WAITING]
    ]  # fmt: skip
    return {"waiting": rows, "waiting_count": len(rows) if len(rows) < WAITING else steps.count()}


def _blocked(user: Any, problem: Problem) -> list[dict[str, Any]]:
    """What it blocks by entity, period and currency: {entity, period, cases, amounts}."""
    rows: dict[tuple[str, str, str], list[int]] = {}
    counted = ProblemAmount.objects.filter(problem=problem, state__in=UNRESOLVED)
    for row in counted.values("entity", "period", "currency", "cases", "amount_minor"):
        sums = rows.setdefault((row["entity"], row["period"], row["currency"]), [0, 0])
        sums[0] += row["cases"]
        sums[1] += row["amount_minor"]
    seen = Case.objects.visible_to(user)
    below = seen.filter(problem=problem, state__in=UNRESOLVED, amount_minor__lt=0).order_by()
    keys = ("entity", "period", "currency")
    credits = {row[:3]: row[3] for row in below.values_list(*keys).annotate(minor=Sum("amount_minor"))}
    return [
        {
            "entity": entity, "period": period, "cases": number,
            "amounts": _worth(problem, minor, currency, credits.get((entity, period, currency), 0)),
        }
        for (entity, period, currency), (number, minor) in sorted(rows.items())
        if number
    ]  # fmt: skip


def _worth(problem: Problem, minor: int, currency: str, credit_minor: int) -> list[Money]:
    credits = [(credit_minor, currency)] if credit_minor else []
    return cause.worth_of(problem)([(minor, currency)], credits) if currency and (minor or credits) else []


@require_POST
@right(rights.REPLAY)
@answering
def replay(request: HttpRequest, problem_id: uuid.UUID) -> HttpResponse:
    """A dry run of everything that this cause holds up and that could be sent again."""
    found = Problem.objects.visible_to(request.user).filter(id=problem_id).first()
    if found is None:
        raise Http404
    cases = Case.objects.visible_to(request.user).filter(problem=found, state__in=REPLAYABLE)
    batch = desk.plan(request.user, cases, title=f"P-{found.number} {found.title}"[:300])
    tell(request, "busy", "Nothing is sent yet.", "This is the dry run; look at it, then send it.")
    return HttpResponseRedirect(reverse("replay", args=[batch.id]))
