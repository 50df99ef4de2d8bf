"""What a decision that moves the books comes to in the currency that the legal entity keeps its books in."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence

from exceptions.approvals import AFTER_ALL, REDATE
from exceptions.models import Approval
from ledger import journal, redating
from ledger.facts import Fact
from ledger.journal import EntryView
from ledger.models import JournalEntry
from q2c.models import Step
from q2c.money import Money
from q2c.reasons import APPROVALS_OF_INVOICES
from q2c.stages import booking, post_journal

# Of a reversal the journal is known to whoever asks here.
_BOOKING = (REDATE, AFTER_ALL, *map(str, APPROVALS_OF_INVOICES))


def of(approvals: Sequence[Approval], reversing: Mapping[uuid.UUID, EntryView]) -> dict[uuid.UUID, Money]:
    """By approval, with the sign of its amount; those whose amount is in that currency are left out. `reversing` are
    the journals that are to be reversed, by approval. A bounded number of statements.
    """
    views = _views([one for one in approvals if one.action in _BOOKING]) | dict(reversing)
    return {
        one.id: journal.in_functional(views[one.id], one.amount_minor)
        for one in approvals
        if one.amount_minor is not None
        and one.id in views
        and views[one.id].currency == one.currency != views[one.id].functional_currency
    }


def _views(approvals: Sequence[Approval]) -> dict[uuid.UUID, EntryView]:
    """By approval, of which a step may have had several: its journal as it is booked, else as it would be."""
    step_of = {one.id: one.case.step_id for one in approvals if one.case is not None and one.case.step_id}
    if not step_of:
        return {}
    stages = ("record_invoice", "post_journal")
    steps = list(Step.objects.filter(id__in=set(step_of.values()), stage__in=stages))
    booked = _booked(steps)
    came = {step.id: step.event_id for step in steps if step.stage == "record_invoice" and step.id not in booked}
    to_book = _to_book([(one, came[step_of[one.id]]) for one in approvals if step_of.get(one.id) in came])
    return {id_: booked[step_id] for id_, step_id in step_of.items() if step_id in booked} | to_book


def _booked(steps: Sequence[Step]) -> dict[uuid.UUID, EntryView]:
    """By step, of those whose journal is there."""
    posting = post_journal.journals_of([step for step in steps if step.stage == "post_journal"])
    came = {step.id: step.event_id for step in steps if step.stage == "record_invoice"}
    rows = JournalEntry.objects.filter(event_id__in=list(came.values()), reverses=None).exclude(state="superseded")
    of_event = {entry.event_id: entry for entry in rows}
    entries = posting | {id_: of_event[event_id] for id_, event_id in came.items() if event_id in of_event}
    read = {view.id: view for view in journal.read([entry.id for entry in entries.values()])}
    return {id_: read[entry.id] for id_, entry in entries.items()}


def _to_book(asked: Sequence[tuple[Approval, uuid.UUID]]) -> dict[uuid.UUID, EntryView]:
    """By approval of an event, where its exchange rate is known; what is to be re-dated on its new day."""
    facts = booking.facts_of_events({event_id for _, event_id in asked}) if asked else {}
    known = [(one, _on_its_day(facts[event_id], one)) for one, event_id in asked if event_id in facts]
    shown = journal.preview([fact for _, fact in known]) if known else []
    return {
        one.id: each.entry
        for (one, _), each in zip(known, shown, strict=True)
        if each.entry is not None and all(check.ok for check in each.checks if check.name == "rates")
    }


def _on_its_day(fact: Fact, asked: Approval) -> Fact:
    if asked.action != REDATE:
        return fact
    return redating.proposed(fact, dt.date.fromisoformat(asked.data["effective_on"]))
