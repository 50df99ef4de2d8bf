"""What waits behind another step of its order key, and for whom: the engine's own question, told to people."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from exceptions.models import Case
from q2c import clock
from q2c.engine.claim import IN_FRONT
from q2c.models import Step
from q2c.models.step import OPEN

IN_THE_MIDDLE = ("running", "accepted", "unknown")
# Of those in front, the one that has to move first.
_FRONT = f"""
SELECT s.id, f.id, f.earlier FROM q2c_step s
JOIN LATERAL (SELECT e.id, e.seq < s.seq AS earlier FROM q2c_step e WHERE {IN_FRONT} ORDER BY e.seq LIMIT 1) f ON true
WHERE s.id = ANY(%s::uuid[]) AND s.state = 'waiting'
"""
# Only what would be at work by now, were it not for the one in front.
_DUE = "FROM q2c_step s WHERE s.state = 'waiting' AND s.order_key <> '' AND s.next_at <= %s"
HELD = f"{_DUE} AND EXISTS (SELECT 1 FROM q2c_step e WHERE {IN_FRONT})"
_LISTED = f"SELECT s.id {HELD} ORDER BY s.next_at, s.seq LIMIT %s"
# The state of what stands in front of s, where s is held.
FRONT_STATE = f"""(SELECT e.state FROM q2c_step e WHERE s.state = 'waiting' AND s.next_at <= %(now)s AND {IN_FRONT}
                   ORDER BY e.seq LIMIT 1)"""
_SENT = f"""
SELECT i.batch_id, count(f.state), count(*) FILTER (WHERE f.state = 'failed')
FROM exceptions_replayitem i JOIN q2c_step s ON s.id = i.step_id JOIN LATERAL {FRONT_STATE} f ON true
WHERE i.batch_id = ANY(%(batches)s::uuid[]) AND i.outcome = 'sent' GROUP BY 1
"""

_STANDS = {
    "waiting": "waits itself", "running": "is under way", "failed": "stopped",
    "unknown": "lost its answer and is being verified",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Front:
    """What stands in front of a held step, as far as the person may see it; its case where it stopped."""

    step: Step | None
    case: Case | None
    earlier: bool = True

    def __str__(self) -> str:
        which = "an earlier step" if self.earlier else "another step"
        if self.step is None:
            return f"Waits for {which}"
        step = self.step
        about = f"{step.stage.replace('_', ' ')} {step.business_key}".strip()
        stands = f"is worked on by {step.connection}" if step.state == "accepted" else _STANDS.get(step.state, "")
        case = f", case {self.case.shown}" if self.case else ""
        return f"Waits for {which}: {about}, which {stands}{case}"


def behind(user: Any, step: Step | None) -> QuerySet[Step]:
    """The steps that are held until this one is done or given up, in their order; those that the user may see."""
    if step is None or not step.order_key or step.state not in OPEN:
        return Step.objects.none()
    seen = Step.objects.visible_to(user)
    others = seen.filter(order_key=step.order_key, state="waiting").exclude(id=step.id).order_by("seq")
    # In the middle of something it holds those before it, too.
    return others if step.state in IN_THE_MIDDLE else others.filter(seq__gt=step.seq)


def in_front(user: Any, steps: Iterable[Step]) -> dict[uuid.UUID, Front]:
    """Step id → what holds it, of those that are held. Three statements where anything may be, none else."""
    soon = clock.now()
    asked = [step.id for step in steps if step.state == "waiting" and step.order_key and step.next_at <= soon]
    if not asked:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_FRONT, [asked])
        rows = cursor.fetchall()
    fronts = {front for _, front, _ in rows}
    seen = Step.objects.visible_to(user).in_bulk(list(fronts)) if fronts else {}
    stopped = [step.id for step in seen.values() if step.state == "failed"]
    cases = Case.objects.visible_to(user).filter(step_id__in=stopped).defer("haystack").order_by("opened_at")
    of_step = {case.step_id: case for case in cases} if stopped else {}
    return {held: Front(seen.get(front), of_step.get(front), earlier) for held, front, earlier in rows}


def counts(user: Any) -> dict[tuple[str, str], int]:
    """(stage, connection) → how many of its steps are due and held."""
    if not _may_see(user):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT s.stage, s.connection, count(*) {HELD} GROUP BY 1, 2", [clock.now()])
        return {(stage, name): number for stage, name, number in cursor.fetchall()}


def by_stage(counted: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """The same by stage alone."""
    sums: dict[str, int] = {}
    for (stage, _), number in counted.items():
        sums[stage] = sums.get(stage, 0) + number
    return sums


def listed(user: Any, most: int) -> list[tuple[Step, Front]]:
    """What is held, longest due first, each with what holds it."""
    if not _may_see(user):
        return []
    with connection.cursor() as cursor:
        cursor.execute(_LISTED, [clock.now(), most])
        ids = [row[0] for row in cursor.fetchall()]
    steps = list(Step.objects.visible_to(user).filter(id__in=ids).order_by("next_at", "seq")) if ids else []
    fronts = in_front(user, steps)
    return [(step, fronts[step.id]) for step in steps if step.id in fronts]


def of_replays(batches: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[int, int]]:
    """Replay → how many of what it sent is held, and how many of these behind what has stopped."""
    with connection.cursor() as cursor:
        cursor.execute(_SENT, {"now": clock.now(), "batches": list(batches)})
        return {batch: (number, stuck) for batch, number, stuck in cursor.fetchall() if number}


def _may_see(user: Any) -> bool:
    return bool(user.is_active and user.has_perm("q2c.view_step"))
