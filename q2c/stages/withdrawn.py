"""What its source takes back before it got anywhere leaves the flow: its steps end, with their cases and questions.

An invoice that is no longer posted in billing while it waits to be recorded, or while its journal waits to be sent.
"""

from __future__ import annotations

import uuid

import msgspec

from exceptions import cases
from ledger import journal
from q2c import states
from q2c.contracts.events import JournalFact
from q2c.models import Invoice, Step
from q2c.models.step import OPEN
from q2c.reasons import Reason
from q2c.stages import post_journal

# Of a step that is asked about or worked on nobody can say yet whether something left.
_STILL = ("waiting", "failed")
# How the reason of such a step ends.
TOOK_BACK = ": its source took it back"


def invoice(source: str, reference: str, why: str) -> bool:
    """Ends what waits for an invoice that `source` took back. False where a step is being worked on: ask again.

    What is recorded, and whose journal was never sent, is voided with it. What was sent, or may have been, stays: a
    person reverses it.
    """
    with states.acting("q2c", why):
        open_ = Step.objects.select_for_update(of=("self",)).filter(state__in=OPEN).order_by("id")
        unrecorded = list(
            open_.filter(
                stage="record_invoice", event__source=source, event__source_id__startswith=f"{reference}:"
            ).values_list("id", "state")
        )
        if any(state not in _STILL for _, state in unrecorded):
            return False
        _end([id_ for id_, _ in unrecorded], why)
        there = Invoice.objects.filter(source=source, billing_reference=reference, state="recorded").first()
        return there is None or _unpost(there, why)


def _unpost(there: Invoice, why: str) -> bool:
    posting = Step.objects.select_for_update(of=("self",)).filter(
        stage="post_journal", business_key=there.number, event__correlation_id=there.correlation_id, state__in=OPEN
    )
    mine = [step for step in posting.select_related("event").order_by("id") if _books(step, there.event_id)]
    if any(step.state not in _STILL for step in mine):
        return False
    if not mine or any(step.sent_at is not None for step in mine) or post_journal.told_twice([there.event_id]):
        return True
    entries = post_journal.journals_of(mine)
    journal.supersede([entry.id for entry in entries.values()])
    states.move(Invoice, "void", [there.id])
    _end([step.id for step in mine], why)
    return True


def _books(step: Step, event_id: uuid.UUID) -> bool:
    """Whether the step posts what this event booked, and not a mirror of it."""
    fact = msgspec.json.decode(step.event.payload, type=JournalFact)
    entry = post_journal.living([fact.journal_id]).get(fact.journal_id)
    return entry is not None and entry.event_id == event_id


def _end(step_ids: list[uuid.UUID], why: str) -> None:
    if step_ids:
        states.move(Step, "abandon", step_ids, reason=Reason.SUPERSEDED, text=why)
        cases.resolve_for({id_: {} for id_ in step_ids}, actor="q2c", resolution="superseded", why=why)
