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
from q2c.reasons import Reason
from q2c.stages import booking, post_journal

# Of a reversal the journal is known to whoever asks here.
_BOOKING = (REDATE, AFTER_ALL, str(Reason.INVOICE_APPROVAL_REQUIRED), str(Reason.INVOICE_GIVEN_UP))


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
    """By approval: its journal as it is booked, else as it would be."""
    of_step = {one.case.step_id: one for one in approvals if one.case is not None and one.case.step_id}
    if not of_step:
        return {}
    asked = {id_: one.id for id_, one in of_step.items()}
    steps = list(Step.objects.filter(id__in=list(of_step), stage__in=("record_invoice", "post_journal")))
    posting = post_journal.journals_of([step for step in steps if step.stage == "post_journal"])
    came = {step.id: step.event_id for step in steps if step.stage == "record_invoice"}
    rows = JournalEntry.objects.filter(event_id__in=list(came.values()), reverses=None).exclude(state="superseded")
    of_event = {entry.event_id: entry for entry in rows}
    entries = posting | {id_: of_event[event_id] for id_, event_id in came.items() if event_id in of_event}
    read = {view.id: view for view in journal.read([entry.id for entry in entries.values()])}
    to_book = _to_book({event_id: of_step[id_] for id_, event_id in came.items() if id_ not in entries})
    found = {asked[id_]: read[entry.id] for id_, entry in entries.items()}
    return found | {asked[id_]: to_book[event_id] for id_, event_id in came.items() if event_id in to_book}


def _to_book(asked: Mapping[uuid.UUID, Approval]) -> dict[uuid.UUID, EntryView]:
    """By event, where its exchange rate is known; what is to be re-dated on its new day."""
    facts = booking.facts_of_events(asked) if asked else {}
    dated = [_on_its_day(fact, asked[event_id]) for event_id, fact in facts.items()]
    return {
        one.fact.event_id: one.entry
        for one in journal.preview(dated)
        if one.entry is not None and all(check.ok for check in one.checks if check.name == "rates")
    }


def _on_its_day(fact: Fact, asked: Approval) -> Fact:
    if asked.action != REDATE:
        return fact
    return redating.proposed(fact, dt.date.fromisoformat(asked.data["effective_on"]))
