"""The process, read from STAGES alone: which stage leads to which, and the table as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from q2c.reading import held, steps
from q2c.stages import STAGES
from q2c.stages.verb import Stage

HEAD = ("stage", "on event", "talks to", "emits", "key control", "owner", "queue")


@dataclass(frozen=True, slots=True)
class Row:
    """One stage, the stages whose events it waits for, its open steps by state; how many wait for a later day, and how
    many are due and held behind another step."""

    stage: Stage
    after: list[str]
    counts: dict[str, int]
    later: int
    held: int


def rows(user: Any) -> list[Row]:
    """Every stage in the order of the table; counts only with the right to see steps. Three statements."""
    standing, later, behind = steps.standing(user), steps.later(user), held.by_stage(held.counts(user))
    return [
        Row(
            stage,
            leads_to(stage),
            steps.by_state(one for one in standing if one.stage == stage.name),
            later.get(stage.name, 0),
            behind.get(stage.name, 0),
        )
        for stage in STAGES.values()
    ]


def leads_to(stage: Stage) -> list[str]:
    """The stages that emit what this one waits for."""
    return [other.name for other in STAGES.values() if other is not stage and set(other.emits) & set(stage.on)]


def markdown() -> str:
    """The table of docs/architecture.md."""
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    lines += [_line(cells(stage)) for stage in STAGES.values()]
    return "\n".join(lines)


def cells(stage: Stage) -> list[str]:
    control = f"{stage.control}. Undoes {stage.undoes}" if stage.undoes else stage.control
    return [
        f"`{stage.name}`", ", ".join(stage.on), stage.talks_to or "–", ", ".join(stage.emits) or "–", control,
        stage.owner, stage.queue,
    ]  # fmt: skip


def _line(parts: Any) -> str:
    return f"| {' | '.join(part.replace('|', chr(92) + '|') for part in parts)} |"
