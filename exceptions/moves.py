"""What several verbs share: holding cases, letting clocks run on, sending cases off to be replayed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from exceptions import approvals, calendars, rowsets, timeline
from exceptions.models import Case, CaseEvent
from exceptions.models.case import REPLAYABLE
from q2c import clock, states

# Snoozing is over, whatever comes next.
AWAKE: dict[str, Any] = {"snoozed_at": None, "snoozed_until": None, "snooze_until_blocker": False}


def held(**chosen: Any) -> list[Case]:
    """Cases locked in the order that every verb keeps, without what a verb does not need."""
    return list(Case.objects.filter(**chosen).order_by("id").select_for_update().defer("context", "haystack"))


def resume_clocks(cases: Sequence[Case]) -> None:
    """Let the service level of snoozed cases run on: due later by the business time they slept."""
    asleep = [case for case in cases if case.state == "snoozed" and case.snoozed_at]
    if not asleep:
        return
    now = clock.now()
    known = calendars.of_teams({case.owner_team_id for case in asleep})
    rows = []
    for case in asleep:
        calendar = known[case.owner_team_id]
        case.paused_s += calendar.between(case.snoozed_at, now)  # type: ignore[arg-type]
        case.due_at = calendar.after(case.level_from, case.level_h * 3600 + case.paused_s)
        rows.append({"id": case.id, "paused_s": case.paused_s, "due_at": case.due_at})
    rowsets.update(Case, rows)


def start_replay(cases: Sequence[Case], actor: str, why: str = "", **data: Any) -> list[uuid.UUID]:
    """Move locked cases to replaying, whatever a person had planned with them. Returns the ids that moved."""
    ready = [case for case in cases if case.state in REPLAYABLE]
    resume_clocks(ready)
    moved = states.move(Case, "start_replay", [case.id for case in ready], **AWAKE)
    approvals.withdraw_for(moved, "replayed")
    timeline.record([(case_id, "replay_requested", why, data) for case_id in moved], actor)
    return moved


def go_on(case_ids: Sequence[uuid.UUID]) -> None:
    """Cases that are open again: whoever had begun goes on; what was only assigned is begun by nobody."""
    mine = list(Case.objects.filter(id__in=case_ids, assignee__isnull=False).values_list("id", flat=True))
    if not mine:
        return
    told = CaseEvent.objects.filter(case__in=mine, kind__in=("claimed", "released")).order_by("id")
    last = dict(told.values_list("case_id", "kind"))
    states.move(Case, "start", [case_id for case_id in mine if last.get(case_id) == "claimed"])
