"""Journals that are not posted, of invoices that billing has taken back: looked for in their ledger, and not sent.

What the ledger holds is posted here, and a person reverses it. What it does not hold leaves the books, its invoice
voided; unless another system told of that invoice, too, and was answered that it is here.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Sequence

from exceptions import cases
from ledger import journal
from ledger.models import JournalEntry
from q2c import clock, states
from q2c.connectors.outcomes import NotFound, Posted, Unavailable
from q2c.models import Invoice, Step
from q2c.reasons import Reason
from q2c.stages import cancelled_there, platforms, taken_back_there
from q2c.stages.taken_back_there import TAKEN_BACK
from q2c.stages.verb import Work

# Nothing was sent: its step is done without a document, as one that was overtaken.
LEFT_OUT = "superseded"
# In the proof of a step whose journal left for its ledger, whatever was answered: a refusal, or a 503 in front of it,
# takes sent_at back, and the ledger may hold it all the same. Since when, in ISO format.
_LEFT = "left"
_SETTLED = "settled_at"


def note_leaving(work: Work) -> None:
    """Said by call right before its journal is sent."""
    work.step.proof[_LEFT] = clock.now().isoformat()


def note_settling(works: Iterable[Work]) -> None:
    """Said by prepare: until when the ledger may still commit what left and was refused, or met a 503. At most one
    statement."""
    left = [work for work in works if work.step.sent_at is None and _LEFT in work.step.proof]
    settle_s = platforms.settle_s({work.step.connection for work in left})
    for work in left:
        since = dt.datetime.fromisoformat(work.step.proof[_LEFT])
        work.notes[_SETTLED] = since + clock.seconds(settle_s.get(work.step.connection, 0))


def await_settling(works: Iterable[Work]) -> None:
    """Said by prepare of what is not owed: it leaves the books by an empty look, which proves nothing before that."""
    for work in works:
        until = work.notes.get(_SETTLED)
        if until is not None and clock.now() < until:
            text = f"{work.step.connection} may still commit it, whatever it answered: it is looked for after that"
            work.outcome = Unavailable(text=text, reason=Reason.PLATFORM_BUSY)
            work.not_before = until


def note_absent(work: Work) -> None:
    """Said by call where a check stopped it before it was sent: a look before that, late enough, found nothing."""
    looked, until = work.outcome, work.notes.get(_SETTLED)
    if isinstance(looked, NotFound) and until is not None and looked.searched_at >= until:
        del work.step.proof[_LEFT]


def may_be_there(step: Step) -> bool:
    """Whether the ledger may hold something of it: it was ever sent, or the ledger keeps what it had refused. What was
    stopped before any of it was sent is not there."""
    return step.sent_at is not None or _LEFT in step.proof or step.reason == Reason.CONTENT_DIFFERS


def of(entries: Iterable[JournalEntry]) -> set[uuid.UUID]:
    """Of these the ids of those that are not to be sent. At most three statements."""
    wanted = {entry.event_id: entry.id for entry in entries if entry.reverses_id is None}
    gone = Invoice.objects.filter(event__in=list(wanted), state="recorded", taken_back_at__isnull=False)
    events = set(gone.values_list("event_id", flat=True)) if wanted else set()
    return {wanted[event_id] for event_id in events - told_twice(events)}


def not_sent(work: Work) -> Posted:
    """What a call comes to where the ledger was found to hold none of it."""
    text = f"the invoice was taken back, and {work.step.connection} holds no journal of it: it was not sent"
    return Posted(reference=LEFT_OUT, proof={TAKEN_BACK: text})


def is_gone(work: Work) -> bool:
    return isinstance(work.outcome, Posted) and TAKEN_BACK in work.outcome.proof


def leave(works: Sequence[Work]) -> list[Work]:
    """Said by record of what is gone: it leaves the books, and its case ends. What billing posted again meanwhile is
    owed again: its step runs anew. Returns those that left."""
    if not works:
        return []
    entries = {work.notes["entry"].event_id: work.notes["entry"] for work in works}
    # Who reads at this moment that billing posts it again is waited for (engine/taken_back.py).
    there = Invoice.objects.select_for_update().filter(event__in=list(entries), state="recorded").order_by("id")
    invoices = {one.event_id: one for one in there if one.taken_back_at is not None}
    for event_id in told_twice(invoices):
        del invoices[event_id]
    gone = [work for work in works if work.notes["entry"].event_id in invoices]
    for work in works:
        if "first_send" in work.notes:
            # Marked as every step is before its call, which sent nothing.
            work.notes["sent_at"] = None
        if work not in gone:
            work.again("billing posts its invoice again: looked at anew")
    proofs = {work.step.id: work.outcome.proof for work in gone if isinstance(work.outcome, Posted)}
    why = "Billing has taken the invoice back; its ledger holds no journal of it, and none was sent"
    void(list(invoices.values()), [entries[event_id].id for event_id in invoices], "post_journal", why)
    cases.resolve_for(proofs, "post_journal", "superseded", why=why)
    return gone


def void(invoices: Sequence[Invoice], entry_ids: Sequence[uuid.UUID], actor: str, why: str) -> None:
    """These leave the books, with their journals that were never posted; cases that tell of them as booked end."""
    journal.mark_blocked(entry_ids)
    journal.supersede(entry_ids)
    states.move(Invoice, "void", [one.id for one in invoices])
    taken_back_there.unbooked(invoices, actor, why)


def hold(event_ids: Collection[uuid.UUID]) -> None:
    """Said before told_twice() by whoever voids these invoices: who is answered at this moment that one is here is
    waited for, or waits until the transaction ends (invoice_again.hold)."""
    if event_ids:
        list(Invoice.objects.select_for_update().filter(event__in=list(event_ids)).order_by("id").values_list("id"))


def told_twice(event_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Of these the events of invoices that were told by another system, too, whose word was taken as done; or by that
    one alone, while billing has only taken it back."""
    there = Invoice.objects.filter(event__in=list(event_ids)) if event_ids else ()
    found = {(str(one.id), one.number): one for one in there}
    if not found:
        return set()
    alone = cancelled_there.takers(found.values())
    done = Step.objects.filter(stage="record_invoice", state="done", business_key__in={number for _, number in found})
    rows = done.values_list("reference", "business_key", "event", "event__source")
    twice = {
        invoice.event_id
        for reference, number, event_id, source in rows
        if (invoice := found.get((reference, number))) and event_id != invoice.event_id and source != invoice.source
    }
    return twice | {one.event_id for one in found.values() if one.id in alone}
