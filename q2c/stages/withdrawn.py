"""An invoice that billing takes back (no longer posted there) before it got anywhere leaves the flow.

While it waits to be recorded, or while its journal was not sent: its steps end, with their cases and questions. So it
does where people gave up its journal: what they decided about is there no more.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db.models import Q, QuerySet

from exceptions import approvals, timeline
from exceptions.models import Case, CaseEvent
from exceptions.models.case import called
from ledger.models import JournalEntry
from q2c import clock, states
from q2c.contracts import stored
from q2c.contracts.events import JournalFact
from q2c.models import Invoice, Step
from q2c.models.step import OPEN
from q2c.reasons import Reason
from q2c.stages import not_owed, post_journal
from q2c.stages.record_invoice import VERSIONS
from q2c.stages.taken_back_there import TAKEN_BACK
from q2c.stages.versions import IDLE, end, invoice_key


def invoice(source: str, reference: str, actor: str, why: str) -> bool:
    """Ends what waits for an invoice that `source` took back. False where a step is being worked on: ask again.

    What is recorded, and whose journal was never sent, is voided with it, whether it waits or people gave it up. What
    was sent, or may have been, stays: it is looked for once its step is replayed (not_owed.py).
    """
    with states.acting(actor, why):
        if not VERSIONS.take_out((invoice_key(source, reference),), actor, why, {TAKEN_BACK: why}):
            return False
        there = Invoice.objects.filter(source=source, billing_reference=reference, state="recorded").first()
        if there is not None and not _unpost(there, actor, why):
            return False
        _tell_given_up(source, reference, actor, why)
        return True


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
    came = ended.filter(stage="record_invoice", order_key=invoice_key(source, reference))
    voided = Invoice.objects.filter(source=source, billing_reference=reference, state="voided")
    named = Q(pk=None)
    for entity, number in voided.values_list("entity", "number"):
        named |= Q(entity=entity, business_key=number)
    journals = ended.filter(named, stage="post_journal")
    posting_ = dict(journals.values_list("id", "connection"))
    unread = called([reference]) & Q(source=source[:60])
    ids = [*came.values_list("id", flat=True), *posting_]
    told = Case.objects.filter(Q(step_id__in=ids) | unread, state="closed_without_fix")
    closed = dict(told.exclude(events__kind=TAKEN_BACK).values_list("id", "step_id"))
    by_hand = {
        id_: f"{why}. Was its journal booked in {posting_[step_id]} by hand, reverse it there"
        for id_, step_id in closed.items()
        if step_id in posting_
    }
    timeline.record([(id_, TAKEN_BACK, by_hand.get(id_, why), {}) for id_ in closed], actor)


def posting(there: Invoice) -> Step | None:
    """What posts its journal, or was to, held until the transaction ends; None where it booked nothing, or another
    transaction is ahead in posting it."""
    return _posting(there, Step.objects.select_for_update(of=("self",)))


def _posting(there: Invoice, among: QuerySet[Step]) -> Step | None:
    not_posted = Q(state__in=OPEN) | Q(state="abandoned") & ~Q(reason=Reason.SUPERSEDED)
    steps = among.filter(
        not_posted, stage="post_journal", business_key=there.number, event__correlation_id=there.correlation_id
    )
    mine = (step for step in steps.select_related("event").order_by("-id") if _books(step, there.event_id))
    return next(mine, None)


def _unpost(there: Invoice, actor: str, why: str) -> bool:
    step = posting(there)
    not_owed.hold([there.event_id])
    entries = JournalEntry.objects.filter(event_id=there.event_id, reverses=None).exclude(state="superseded")
    if step is None:
        # Usage within its allowance booked nothing; what was posted this moment is a person's.
        if not entries.exists():
            not_owed.void([there], [], actor, why)
        return True
    if step.state not in (*IDLE, "abandoned"):
        # What is looked for at this moment is not sent again.
        Invoice.objects.filter(id=there.id, taken_back_at=None).update(taken_back_at=clock.now())
        return False
    if not_owed.may_be_there(step) or not_owed.told_twice([there.event_id]):
        return True
    not_owed.void([there], list(entries.values_list("id", flat=True)), actor, why)
    if step.state == "abandoned":
        # Somebody may have asked that it be posted after all.
        closed = Case.objects.filter(step_id=step.id).values_list("id", flat=True)
        approvals.withdraw_for(list(closed), why)
    else:
        end([step.id], actor, why, {TAKEN_BACK: why})
    return True


def to_do(there: Invoice) -> str:
    """What a person does now about one that stays, though billing has taken it back."""
    step = _posting(there, Step.objects.all()) if there.state == "recorded" else None
    if step is None:
        return "Reverse its journal: Reverse on its page asks a second person to approve the mirror entry"
    case = Case.objects.filter(step_id=step.id).only("number").first()
    told = f" ({case.shown})" if case is not None else ""
    if step.state == "abandoned":
        what = f"Its journal was given up{told} and is not posted: ask on that case that it be posted after all"
    else:
        what = f"Its journal is not posted yet{told}: see to that first"
    if not_owed.told_twice([there.event_id]):
        return f"{what}, since another system told of the invoice, too. Once it is posted, reverse it"
    return (
        f"{what}. It is then only looked for: what {step.connection} holds is posted here, and is to be reversed; what "
        "it does not hold is not sent, and leaves the books"
    )


def _books(step: Step, event_id: uuid.UUID) -> bool:
    """Whether the step posts what this event booked, and not a mirror of it."""
    fact = stored.read(step.event.payload, JournalFact)
    entry = post_journal.living([fact.journal_id]).get(fact.journal_id)
    return entry is not None and entry.event_id == event_id
