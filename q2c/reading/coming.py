"""What comes next for a record: read from its open steps, in the words of the process."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exceptions.models import Case
from q2c import clock
from q2c.models import Step
from q2c.models.step import OPEN
from q2c.stages import STAGES


@dataclass(frozen=True, slots=True)
class Coming:
    """One thing that comes: `tone` bad (stopped), warn (being verified), busy (under way), quiet (on its day).

    What waits for a second person (`approval`) is warn too.
    """

    what: str
    where: str
    tone: str
    at: dt.datetime | None
    text: str
    case: Case | None
    approval: bool = False


def does(stage: str) -> str:
    """What a stage does, as the sentence goes on: "… in zuora"."""
    return STAGES[stage].does if stage in STAGES else stage.replace("_", " ")


def next_of(steps: Iterable[Step], cases: Mapping[uuid.UUID, Case]) -> list[Coming]:
    """The open steps as sentences: what is stopped first, then what is under way, then what waits for its day."""
    rank = {"bad": 0, "warn": 1, "busy": 2, "quiet": 3}
    found = [_coming(step, cases.get(step.id)) for step in steps if step.state in OPEN]
    return sorted(found, key=lambda one: (rank[one.tone], one.at or clock.now()))


def _coming(step: Step, case: Case | None) -> Coming:
    what = does(step.stage)
    if step.part.startswith("phase-"):
        what = f"phase {step.part.removeprefix('phase-')} is activated"
    if step.state == "failed" and case is not None and case.state == "awaiting_approval":
        return Coming(what, step.connection, "warn", None, step.text, case, approval=True)
    if step.state == "failed":
        return Coming(what, step.connection, "bad", None, step.text, case)
    if step.state == "unknown":
        return Coming(what, step.connection, "warn", step.next_at, step.text, case)
    if step.state == "waiting" and step.next_at > clock.now() and not step.attempts:
        return Coming(what, step.connection, "quiet", step.next_at, "", case)
    return Coming(what, step.connection, "busy", None, step.text, case)
