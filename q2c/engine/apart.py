"""Recording one work without its neighbours, after the batch broke: what it was before, and what may fail by itself."""

from __future__ import annotations

import copy
import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from q2c.stages.verb import Finding, NewEvent, Work

log = logging.getLogger(__name__)
TEXT_MAX = 2000


@dataclass(frozen=True, slots=True)
class Before:
    """A work as the calls left it."""

    work: Work
    outcome: Any
    findings: list[Finding]
    emitted: list[NewEvent]
    notes: dict[str, Any]
    proof: dict[str, Any]
    sent_at: dt.datetime | None

    def restore(self) -> None:
        work = self.work
        work.outcome, work.step.sent_at = self.outcome, self.sent_at
        work.findings[:], work.emitted[:] = self.findings, self.emitted
        work.notes = dict(self.notes)
        work.step.proof = copy.deepcopy(self.proof)


def before(work: Work) -> Before:
    return Before(
        work, work.outcome, list(work.findings), list(work.emitted), dict(work.notes), copy.deepcopy(work.step.proof),
        work.step.sent_at,
    )  # fmt: skip


def tried(act: Callable[[], None]) -> None:
    """What is good to have, in the transaction around it; its failure undoes nothing else."""
    try:
        with transaction.atomic():
            act()
    except Exception:
        log.exception("left out")


def said(error: Exception) -> str:
    """For a column of text: no nul, not endless."""
    return f"{type(error).__name__}: {error}".replace("\0", "")[:TEXT_MAX]
