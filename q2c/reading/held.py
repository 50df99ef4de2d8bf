"""What waits behind another step of its order key, and for whom: the engine's own question, told to people."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
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


def behind(step: Step | None) -> QuerySet[Step]:
    """The steps that are held until this one is done or given up, in their order."""
    if step is None or not step.order_key or step.state not in OPEN:
        return Step.objects.none()
    others = Step.objects.filter(order_key=step.order_key, state="waiting").exclude(id=step.id).order_by("seq")
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


def by_stage(user: Any) -> dict[str, int]:
    """Stage → how many of its steps are due and held."""
    if not (user.is_active and user.has_perm("q2c.view_step")):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT s.stage, count(*) {HELD} GROUP BY 1", [clock.now()])
        return dict(cursor.fetchall())
