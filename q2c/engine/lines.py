"""One log line per outcome of a step, under its correlation id: by them a document's way can be followed.

What a step is about is named, nothing of what it says: texts and bodies stand on the step and its attempts, redacted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from q2c.connectors.outcomes import Posted
from q2c.stages.verb import Stage, Work

log = logging.getLogger(__name__)

# For a person, or worth one's eye; all else goes on by itself.
_LOUD = ("failed", "unknown")


def recorded(stage: Stage, works: Iterable[Work], attempts: Iterable[tuple[Work, list[Any]]], took_s: float) -> None:
    """A batch whose outcomes are committed; `took_s` since it was claimed."""
    if not log.isEnabledFor(logging.WARNING):
        return
    calls: dict[Any, list[Any]] = {}
    for work, made in attempts:
        calls.setdefault(work.step.id, []).extend(made)
    for work in works:
        state = work.notes["target"]
        level = logging.WARNING if state in _LOUD else logging.INFO
        if log.isEnabledFor(level):
            log.log(level, "step %s", state, extra=_about(stage, work, calls.get(work.step.id, []), took_s))


def _about(stage: Stage, work: Work, calls: list[Any], took_s: float) -> dict[str, Any]:
    step, outcome = work.step, work.outcome
    reason = work.findings[0].reason if work.findings else work.notes.get("reason", "")
    done = work.notes["target"] == "done" and isinstance(outcome, Posted)
    return {
        "correlation_id": str(work.fact.correlation_id),
        "stage": stage.name,
        "step": str(step.id),
        "business_key": step.business_key,
        "state": work.notes["target"],
        "reason": str(reason),
        "connection": step.connection,
        "document": outcome.document if done else "",  # type: ignore[union-attr]
        "attempt": step.attempts + work.notes["tried"],
        "replays": step.replays,
        "calls": len(calls),
        "calls_ms": sum(call.duration_ms or 0 for call in calls),
        "duration_ms": round(took_s * 1000),
    }
