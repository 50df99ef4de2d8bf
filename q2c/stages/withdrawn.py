"""An invoice that billing takes back (no longer posted there) before it got anywhere leaves the flow.

While it waits to be recorded, or while its journal waits to be sent: its steps end, with their cases and questions.
"""

from __future__ import annotations

import uuid

from ledger import journal
from q2c import states
from q2c.contracts import stored
from q2c.contracts.events import JournalFact
from q2c.models import Invoice, Step
from q2c.models.step import OPEN
from q2c.stages import post_journal
from q2c.stages.record_invoice import VERSIONS
from q2c.stages.versions import IDLE, end

# In the proof of a step that ended so.
TAKEN_BACK = "taken_back"


def invoice(source: str, reference: str, actor: str, why: str) -> bool:
    """Ends what waits for an invoice that `source` took back. False where a step is being worked on: ask again.

    What is recorded, and whose journal was never sent, is voided with it. What was sent, or may have been, stays: a
    person reverses it.
    """
    came = Step.objects.filter(stage="record_invoice", event__source=source, state__in=OPEN)
    numbers = came.filter(event__source_id__startswith=f"{reference}:").values_list("business_key", flat=True)
    with states.acting(actor, why):
        left = [
            number
            for number in sorted(set(numbers))
            if not VERSIONS.take_out((number, source, reference), actor, why, {TAKEN_BACK: why})
        ]
        if left:
            return False
        there = Invoice.objects.filter(source=source, billing_reference=reference, state="recorded").first()
        return there is None or _unpost(there, actor, why)


def _unpost(there: Invoice, actor: str, why: str) -> bool:
    posting = Step.objects.select_for_update(of=("self",)).filter(
        stage="post_journal", business_key=there.number, event__correlation_id=there.correlation_id, state__in=OPEN
    )
    mine = [step for step in posting.select_related("event").order_by("id") if _books(step, there.event_id)]
    if any(step.state not in IDLE for step in mine):
        return False
    if not mine or any(step.sent_at is not None for step in mine) or post_journal.told_twice([there.event_id]):
        return True
    entries = post_journal.journals_of(mine)
    journal.supersede([entry.id for entry in entries.values()])
    states.move(Invoice, "void", [there.id])
    end([step.id for step in mine], actor, why, {TAKEN_BACK: why})
    return True


def _books(step: Step, event_id: uuid.UUID) -> bool:
    """Whether the step posts what this event booked, and not a mirror of it."""
    fact = stored.read(step.event.payload, JournalFact)
    entry = post_journal.living([fact.journal_id]).get(fact.journal_id)
    return entry is not None and entry.event_id == event_id
