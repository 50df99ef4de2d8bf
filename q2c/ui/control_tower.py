"""The control tower: where everything stands, what needs a person now, what blocks the close."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from q2c.reading import asked_for as requests
from q2c.reading import attention, close, connections, credits_due, flow, given_up, held, not_read, steps, unread
from q2c.ui import asked_for, cause, links, story
from q2c.ui.formats import number
from q2c.ui.parts import Stage, apart, by_currency, by_sign, reversals
from q2c.ui.rights import right

_LISTS = {"order": "orders", "subscription": "orders", "invoice": "invoices", "journal": "journals"}
_PERIODS_SHOWN = 12


@right("q2c.view_step")
def show(request: HttpRequest) -> HttpResponse:
    """Everything, or with ?part=live only what refreshes itself."""
    live = _live(request.user)
    if getattr(request, "htmx", None) and request.GET.get("part") == "live":
        return render(request, "control_tower/live.html", live)
    blocked, due = close.blocked(request.user), credits_due.due(request.user)
    return render(
        request,
        "control_tower/page.html",
        {
            **live,
            **_now(attention.now(request.user)),
            "blocked": [_row(one) for one in blocked[:_PERIODS_SHOWN]],
            "given_up": _given_up(request.user),
            "not_read": not_read.of_billing(),
            "unplaced": story.unplaced(unread.unplaced(request.user)),
            **_asked(request.user),
            "credits": _credits(due),
            "credits_more": max(0, len(due.months) - _PERIODS_SHOWN),
            "credits_total": {"orders": due.total.orders, "sums": by_currency(due.total.sums)},
            "cancelled": links.to("orders", state="cancelled"),
            "blocked_more": max(0, len(blocked) - _PERIODS_SHOWN),
            "queue": links.to("queue"),
            "late": links.to("queue", q="is:late"),
            "asked_late": links.to("queue", tab="awaiting_approval", q="is:late"),
            "approvals": links.to("approvals"),
            "offers": links.to("offers"),
            "problems": links.to("problems"),
            "may_see_cases": request.user.has_perm("exceptions.view_case"),
            "may_see_problems": request.user.has_perm("exceptions.view_problem"),
            "may_see_connections": request.user.has_perm("q2c.view_connection"),
        },
    )


def _live(user: Any) -> dict[str, Any]:
    standing, behind = steps.standing(user), held.counts(user)
    stations = flow.stations(user, standing, behind)
    return {
        "stages": [_stage(one) for one in stations],
        "connections": connections.health(user, standing, behind),
        "held": sum(behind.values()),
        "process": links.to("process"),
        "anything": any(one.counts for one in stations) or bool(standing),
        "here": links.to("control-tower"),
    }


def _now(found: attention.Attention) -> dict[str, Any]:
    return {
        "attention": found,
        "causes": [
            {
                "problem": card.problem,
                "cases": card.cases,
                "amounts": cause.worth_of(card.problem)(card.sums, card.credits),
                "entities": card.entities,
                "periods": card.periods,
                "due_at": card.totals.oldest_due_at,
                "href": links.to("problem", card.problem.id),
            }
            for card in found.cards
        ],
        "due": [{"case": case, "href": links.to("case", case.id)} for case in found.latest],
    }


def _stage(one: flow.Station) -> Stage:
    return Stage(
        label=one.leg.label,
        counts=one.counts,
        amounts=[*apart(one.sums, one.credits), *reversals(one.mirrors)],
        oldest=one.oldest,
        href=links.to(_LISTS[one.leg.noun]),
        trend=one.trend,
        noun=one.leg.noun,
        note=_note(one),
        held=one.held,
        trouble=one.failed,
        trouble_as=one.leg.apart or "failed",
        trouble_worth=by_sign(one.apart),
    )


def _note(one: flow.Station) -> str:
    """What stands at the foot where no step waits: records may still wait for their day."""
    waiting = sum(number for state, number in one.counts if state in one.leg.under_way)
    if waiting:
        return f"{number(waiting)} not through yet"
    return "Nothing waits" if one.counts else "Nothing yet"


def _credits(found: credits_due.Credits) -> list[dict[str, Any]]:
    """By entity and month of the cancellation, the newest first: what billing has not credited yet."""
    shown = list(found.months.items())[:_PERIODS_SHOWN]
    return [
        {
            "entity": entity,
            "period": period,
            "orders": due.orders,
            "sums": by_currency(due.sums),
            "href": links.to("order", due.order_id) if due.orders == 1 else links.to("orders", state="cancelled"),
        }
        for (entity, period), due in shown
    ]


def _asked(user: Any) -> dict[str, Any]:
    """By entity and month that it would change, the newest first: what waits for a second person."""
    months = list(requests.by_month(user).items())
    shown = [
        {"entity": entity, "period": period, "kinds": asked_for.rows(asked)}
        for (entity, period), asked in months[:_PERIODS_SHOWN]
    ]
    return {"asked": shown, "asked_more": len(months[_PERIODS_SHOWN:])}


def _given_up(user: Any) -> list[dict[str, Any]]:
    """Of months that are not closed, the newest first: what differs from billing or the ledger."""
    months = sorted(given_up.of_open_months(user).items(), key=lambda item: (item[0][1], item[0][0]), reverse=True)
    return [
        {
            "entity": entity,
            "period": period,
            "kinds": story.rows_of(sums),
            "href": links.to("differences", entity, period),
        }
        for (entity, period), sums in months
    ]


def _row(one: close.Blocked) -> dict[str, Any]:
    closed = [f"{subledger} {state}" for subledger, state in one.period_states if state != "open"]
    return {
        "blocked": one,
        "amounts": apart(one.sums, one.credits),
        "reasons": one.reasons[:2],
        "more_reasons": max(0, len(one.reasons) - 2),
        "state": _worst(one.period_states),
        "closed": ", ".join(name.replace("_", " ") for name in closed),
        "href": links.to("queue", tab="all", q=one.query),
    }


def _worst(states: list[tuple[str, str]]) -> str:
    found = {state for _, state in states}
    return next((state for state in ("closed", "soft_closed", "open") if state in found), "")
