"""The process, drawn from STAGES, with what stands at each stage now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from q2c.models import Step
from q2c.reading import held, process
from q2c.reading.coming import doing_of
from q2c.reading.process import Row
from q2c.ui import links
from q2c.ui.maps import NOTE_MAX, Box
from q2c.ui.rights import right

# Which state colours a box, the worst first.
_TONES = (("failed", "bad"), ("unknown", "warn"), ("running", "busy"), ("accepted", "busy"), ("waiting", "busy"))


_HELD_SHOWN = 50


@right("q2c.view_step")
def show(request: HttpRequest) -> HttpResponse:
    rows = process.rows(request.user)
    behind = sum(row.held for row in rows)
    waiting = held.listed(request.user, _HELD_SHOWN) if behind else []
    context = {
        "boxes": [_box(row) for row in rows],
        "rows": [_shown(row) for row in rows],
        "behind": behind,
        "held": [_held(request.user, step, front) for step, front in waiting],
        "held_more": max(0, behind - len(waiting)),
        "events": sorted({event for row in rows for event in (*row.stage.on, *row.stage.emits)}),
    }
    return render(request, "process/page.html", context)


def _box(row: Row) -> Box:
    tone = next((tone for state, tone in _TONES if row.counts.get(state)), "quiet")
    stage = row.stage
    return Box(
        name=stage.name,
        label=stage.name,
        after=row.after,
        note=_note(stage.on),
        told="on " + " or ".join(stage.on),
        href=f"#{stage.name}",
        count=sum(row.counts.values()),
        tone=tone,
    )


def _note(events: Sequence[str]) -> str:
    """What a stage waits for, in the room that a box has; the table names them all."""
    whole = "on " + " or ".join(events)
    return whole if len(whole) <= NOTE_MAX else f"on {events[0]} and {len(events) - 1} more"


def _held(user: Any, step: Step, front: held.Front) -> dict[str, Any]:
    """A held step, where its journey can be seen, and the case that has to end first."""
    return {
        "step": step,
        "what": doing_of(step)[:1].upper() + doing_of(step)[1:],
        "journey": links.to("trace", q=step.business_key or str(step.correlation_id))
        if user.has_perm("q2c.view_event")
        else "",
        "front": front,
        "case": links.to("case", front.case.id) if front.case else "",
    }


def _shown(row: Row) -> dict[str, Any]:
    failed = row.counts.get("failed", 0)
    return {
        "stage": row.stage,
        "counts": list(row.counts.items()),
        "later": row.later,
        "held": row.held,
        "failed": links.to("queue", q=f"stage:{row.stage.name}") if failed else "",
        "after": row.after,
    }
