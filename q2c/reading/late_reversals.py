"""Reversals that wait for a period: they are not re-dated, since whoever signs a reversal signs its day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c.contracts import stored
from q2c.contracts.events import JournalFact, JournalReversalRequested
from q2c.models import Step
from q2c.reasons import Reason
from q2c.stages import not_owed
from q2c.stages.post_journal import living


@dataclass(frozen=True, slots=True)
class Late:
    """The journal that is to be reversed. `may_be_there`: the ledger may hold its mirror entry, which keeps its day."""

    entry: JournalEntry
    may_be_there: bool

    @property
    def what_to_do(self) -> str:
        """In a finance person's words."""
        reopen = "Have the period opened again, and replay this."
        if self.may_be_there:
            return f"{reopen} The ledger may hold the mirror entry already, so it keeps its day."
        return (
            f"{reopen} Or have this closed without a fix, which a second person approves, and ask for the reversal "
            f"anew, on a day that takes corrections, on the page of journal {self.entry}. A reversal is not re-dated."
        )


def of(user: Any, case: Case) -> Late | None:
    """None of any other case, and of a journal that the user may not see."""
    if (
        case.step_id is None
        or case.reason != Reason.PERIOD_CLOSED
        or case.stage not in ("reverse_journal", "post_journal")
    ):
        return None
    failed = Step.objects.filter(id=case.step_id, state="failed", stage__in=("reverse_journal", "post_journal"))
    step = failed.select_related("event").first()
    original = _original(step) if step is not None else None
    seen = JournalEntry.objects.visible_to(user).select_related("entity", "period")
    entry = seen.filter(id=original).first() if original else None
    return Late(entry, step is not None and not_owed.may_be_there(step)) if entry is not None else None


def _original(step: Step) -> Any:
    if step.stage == "reverse_journal":
        return stored.read(step.event.payload, JournalReversalRequested).journal_id
    asked = stored.read(step.event.payload, JournalFact).journal_id
    return living([asked])[asked].reverses_id
