"""An invoice that billing takes back (no longer posted there) before it got anywhere leaves the flow.

While it waits to be recorded, or while its journal waits to be sent: its steps end, with their cases and questions.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db.models import Q

from exceptions import timeline
from exceptions.models import Case, CaseEvent
from exceptions.models.case import called
from ledger import journal
from q2c import states
from q2c.contracts import stored
from q2c.contracts.events import JournalFact
from q2c.models import Invoice, Step
from q2c.models.step import OPEN
from q2c.reasons import Reason
from q2c.stages import post_journal
from q2c.stages.record_invoice import VERSIONS, key_of
from q2c.stages.versions import IDLE, end

# In the proof of a step that ended so, and on the timeline of a case that was closed before.
TAKEN_BACK = "taken_back"


def invoice(source: str, reference: str, actor: str, why: str) -> bool:
    """Ends what waits for an invoice that `source` took back. False where a step is being worked on: ask again.

    What is recorded, and whose journal was never sent, is voided with it. What was sent, or may have been, stays: a
    person reverses it.
    """
    with states.acting(actor, why):
        if not VERSIONS.take_out((key_of(source, reference),), actor, why, {TAKEN_BACK: why}):
            return False
        _tell_given_up(source, reference, actor, why)
        there = Invoice.objects.filter(source=source, billing_reference=reference, state="recorded").first()
        return there is None or _unpost(there, actor, why)


def gone_since(event_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Of these events those whose invoice was given up here, and taken back by billing after that."""
    told = CaseEvent.objects.filter(kind=TAKEN_BACK, case__event_id__in=list(event_ids))
    return set(told.values_list("case__event_id", flat=True))


def stay_out(event_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Of the events of voided invoices those that people gave up here, and billing still has."""
    if not event_ids:
        return set()
    gone = Step.objects.filter(stage="post_journal", state="abandoned").exclude(reason=Reason.SUPERSEDED)
    numbers = Invoice.objects.filter(event__in=list(event_ids)).values_list("number", flat=True)
    mine = gone.filter(business_key__in=list(numbers), event__causation_id__in=list(event_ids))
    told = CaseEvent.objects.filter(kind=TAKEN_BACK, case__step_id__in=mine.values("id"))
    still = mine.exclude(id__in=told.values("case__step_id"))
    return set(event_ids) & set(still.values_list("event__causation_id", flat=True))


def _tell_given_up(source: str, reference: str, actor: str, why: str) -> None:
    """What was given up here and is posted there no more stands nowhere any longer: its case says so, once."""
    ended = Step.objects.filter(state="abandoned").exclude(reason=Reason.SUPERSEDED)
    came = ended.filter(stage="record_invoice", order_key=key_of(source, reference))
    voided = Invoice.objects.filter(source=source, billing_reference=reference, state="voided")
    named = Q(pk=None)
    for entity, number in voided.values_list("entity", "number"):
        named |= Q(entity=entity, business_key=number)
    journals = ended.filter(named, stage="post_journal")
    ids = [*came.values_list("id", flat=True), *journals.values_list("id", flat=True)]
    unread = called([reference]) & Q(source=source[:60])
    told = Case.objects.filter(Q(step_id__in=ids) | unread, state="closed_without_fix")
    closed = told.exclude(events__kind=TAKEN_BACK)
    timeline.record([(case_id, TAKEN_BACK, why, {}) for case_id in closed.values_list("id", flat=True)], actor)


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
