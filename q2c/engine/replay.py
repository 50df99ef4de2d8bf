"""Dry run, replay and abandon: what a person does with steps that failed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from exceptions import cases
from q2c import clock, states
from q2c.engine import failures, run, wake
from q2c.models import Step
from q2c.stages import STAGES
from q2c.stages.verb import Work

_SOURCES, _TARGET = states.edge(Step, "replay")

_REPLAY = """
UPDATE q2c_step SET state = %s, next_at = %s, attempts = 0, replays = replays + 1
WHERE id = ANY(%s) AND state = ANY(%s) RETURNING id, stage
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DryRun:
    """What a replay of one step would do on today's master data; nothing was written and nothing sent."""

    step_id: uuid.UUID
    stage: str
    would_pass: bool
    findings: list[dict[str, object]] = field(default_factory=list)
    preview: dict[str, Any] = field(default_factory=dict)


def dry_run(step_ids: Sequence[uuid.UUID]) -> list[DryRun]:
    """Prepare the steps as a replay would, read the result, and roll all of it back."""
    by_stage: dict[str, list[Work]] = {}
    for work in run.load(list(Step.objects.filter(id__in=step_ids).order_by("seq"))):
        work.step.phase = "send"
        by_stage.setdefault(work.step.stage, []).append(work)
    found: dict[uuid.UUID, DryRun] = {}
    for name, works in by_stage.items():
        with transaction.atomic():
            run.each_or_all(works, STAGES[name].verb.prepare)
            for work in works:
                found[work.step.id] = _read(name, work)
            transaction.set_rollback(True)
    return [found[id_] for id_ in step_ids if id_ in found]


def _read(name: str, work: Work) -> DryRun:
    findings = [*work.findings, *work.notes.get("found", [])]
    return DryRun(
        step_id=work.step.id,
        stage=name,
        would_pass=not findings,
        findings=[failures.described(finding) for finding in findings],
        preview={} if work.findings else STAGES[name].verb.preview(work),
    )


def replay(step_ids: Sequence[uuid.UUID], actor: str, why: str = "") -> list[uuid.UUID]:
    """Put failed steps back to work; those in another state are left alone, so two people can press at once.

    Every write looks its key up before it is sent again (engine/run.py). Returns the ids that moved.
    """
    if not step_ids:
        return []
    with states.acting(actor, why or "replay"):
        with connection.cursor() as cursor:
            cursor.execute(_REPLAY, [_TARGET, clock.now(), list(step_ids), _SOURCES])
            moved = cursor.fetchall()
        ids = [row[0] for row in moved]
        if ids:
            cases.replaying(ids, actor=actor)
            wake.after_commit({row[1] for row in moved})
    return ids


def abandon(step_ids: Sequence[uuid.UUID], actor: str, why: str) -> list[uuid.UUID]:
    """Give failed steps up for an approved reason; what waits behind them goes on."""
    with states.acting(actor, why):
        stages = set(Step.objects.filter(id__in=step_ids).values_list("stage", flat=True))
        moved = states.move(Step, "abandon", step_ids)
        wake.after_commit(stages)
    return moved
