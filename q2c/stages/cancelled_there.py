"""What billing has taken back, by legal entity and number, and another system tells of: a second person is asked.

Billing is the master of what a customer owes. What billing itself posts again is owed again, under whatever reference.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Q

from exceptions import timeline
from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c import bulk, clock
from q2c.models import CancelledInvoice, Invoice
from q2c.reasons import Reason
from q2c.stages.taken_back_there import CANCELLED, TAKEN_BACK
from q2c.stages.verb import Finding, Work

# Legal entity and number.
Named = tuple[str, str]
# Not where that system posts another document under the number: then that one stands.
_STANDS = """
EXISTS (
  SELECT FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
  WHERE s.stage = 'record_invoice' AND s.business_key = k.number AND s.entity = k.entity AND e.source = k.source
  AND NOT EXISTS (SELECT FROM q2c_cancelledinvoice o
                  WHERE o.source = e.source AND o.reference = e.payload ->> 'billing_reference')
  AND NOT EXISTS (SELECT FROM q2c_step n JOIN q2c_event f ON f.id = n.event_id
                  WHERE n.stage = 'record_invoice' AND n.order_key = s.order_key
                  AND (n.business_key, n.entity) <> (s.business_key, s.entity)
                  AND (f.occurred_at, n.seq) > (e.occurred_at, s.seq))
)
"""
_ELSEWHERE = f"""
SELECT DISTINCT ON (m.source, m.entity, m.number) m.source, m.entity, m.number, k.source, k.cancelled_at
FROM unnest(%s::text[], %s::text[], %s::text[]) AS m(source, entity, number)
JOIN q2c_cancelledinvoice k ON k.number = m.number AND k.entity = m.entity AND k.source <> m.source
WHERE NOT {_STANDS}
ORDER BY m.source, m.entity, m.number, k.cancelled_at DESC
"""
_OF_IT = f"""
SELECT k.entity, k.number, k.cancelled_at FROM q2c_cancelledinvoice k
WHERE k.source = %s::text AND k.reference = %s::text AND NOT {_STANDS}
"""
# What the newest version that a system gave of a document is called here.
_KNOWN = """
SELECT DISTINCT ON (m.reference) m.reference, s.entity, s.business_key
FROM unnest(%s::text[], %s::text[]) AS m(reference, order_key)
JOIN q2c_step s ON s.order_key = m.order_key AND s.stage = 'record_invoice'
JOIN q2c_event e ON e.id = s.event_id
ORDER BY m.reference, e.occurred_at DESC, s.seq DESC
"""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Which system took it back, and when that was read."""

    by: str
    at: dt.datetime


class Gone(NamedTuple):
    """A document that its system took back: its reference there, its names, and what was said."""

    reference: str
    entity: str
    number: str
    text: str


def known(keys_: Mapping[str, str]) -> dict[str, Named]:
    """By reference, of the documents that came before. `keys_`: the order keys of their versions. One statement."""
    rows = bulk.execute(_KNOWN, [list(keys_), list(keys_.values())]) if keys_ else []
    return {reference: (entity, number) for reference, entity, number in rows}


def note(source: str, gone: Collection[Gone], actor: str) -> None:
    """`source` has these posted no more, and each was not known yet: cases of other systems about the same say so.

    Whoever records one of these numbers is waited for, or waits, until the transaction ends.
    """
    bulk.take_turns(turn_of((one.entity, one.number)) for one in gone)
    there = CancelledInvoice.objects.filter(source=source, reference__in=[one.reference for one in gone])
    before = set(there.values_list("reference", flat=True))
    fresh = [one for one in gone if one.reference not in before]
    if not fresh:
        return
    now = clock.now()
    CancelledInvoice.objects.bulk_create(
        CancelledInvoice(source=source, cancelled_at=now, **one._asdict()) for one in fresh
    )
    said = {(one.entity, one.number): one.text for one in fresh}
    timeline.record([(id_, TAKEN_BACK, said[named], {}) for id_, named in _told_elsewhere(source, said)], actor)


def _told_elsewhere(source: str, named: Collection[Named]) -> list[tuple[uuid.UUID, Named]]:
    """Cases of what other systems told under these names, and is not booked: waiting, or given up."""
    came = Q(stage="record_invoice", state__in=UNRESOLVED)
    given_up = Q(stage__in=("record_invoice", "post_journal"), state="closed_without_fix")
    unread = Q(step_id=None, raw_hash__isnull=False, context__type="InvoiceIssued")
    unread &= Q(state__in=(*UNRESOLVED, "closed_without_fix"))
    rows = Case.objects.filter(came | given_up | unread, business_key__in={number for _, number in named})
    # What was given up is told once (withdrawn.py): the case of a journal does not say who told of its invoice.
    told = Q(state="closed_without_fix", events__kind=TAKEN_BACK)
    rows = rows.exclude(source=source[:60]).exclude(code=CANCELLED).exclude(told)
    found = rows.order_by("number").values_list("id", "entity", "business_key")
    return [(id_, (entity, number)) for id_, entity, number in found if (entity, number) in named]


def posted_again(source: str, references: Collection[str], named: Collection[Named]) -> None:
    """`source` posts these documents, under these names: what it had taken back of them is taken back no more."""
    mine = CancelledInvoice.objects.filter(source=source)
    rows = mine.filter(Q(reference__in=references) | Q(number__in={number for _, number in named}))
    gone = {(one.entity, one.number): one.reference for one in rows}
    if not gone:
        return
    bulk.take_turns(map(turn_of, gone))
    mine.filter(reference__in=references).delete()
    # Of its own it says so by reference (engine/taken_back.py).
    told = Invoice.objects.filter(number__in={number for _, number in gone}, taken_back_at__isnull=False)
    others = told.exclude(source=source).values_list("id", "entity", "number")
    ids = [id_ for id_, *name in others if tuple(name) in gone and tuple(name) in named]
    Invoice.objects.filter(id__in=ids).update(taken_back_at=None)


def turn_of(named: Named) -> str:
    """Whoever records an invoice of this name, or takes it back, takes this turn."""
    return f"invoice {'/'.join(named)}"


def elsewhere(told: Collection[tuple[str, str, str]]) -> dict[tuple[str, str, str], Cancelled]:
    """Of what these sources told, (source, entity, number), that which another system has taken back. One statement."""
    rows = bulk.execute(_ELSEWHERE, [list(column) for column in zip(*sorted(told), strict=True)]) if told else []
    return {(source, entity, number): Cancelled(by, at) for source, entity, number, by, at in rows}


def takers(invoices: Collection[Invoice]) -> dict[Any, str]:
    """By invoice id, which system took back what another one had told of. One statement."""
    found = elsewhere({(one.source, one.entity, one.number) for one in invoices})
    there = ((one.id, found.get((one.source, one.entity, one.number))) for one in invoices)
    return {id_: one.by for id_, one in there if one is not None}


def taken_by(invoices: Collection[Invoice]) -> dict[Any, str]:
    """By invoice id, of those that billing has taken back: which system did, whoever told of it first. One statement at
    most."""
    gone = [one for one in invoices if one.taken_back_at is not None]
    return {one.id: one.source for one in gone} | takers(gone)


def booked_elsewhere(source: str, reference: str) -> Invoice | None:
    """What another system told of before `source` took it back, and is in the books. What was booked after that, and
    is marked so from the start, a second person has signed."""
    for entity, number, at in bulk.execute(_OF_IT, [source, reference]):
        there = Invoice.objects.filter(entity=entity, number=number).exclude(state="voided").exclude(source=source)
        return there.exclude(recorded_at__gte=at, taken_back_at__isnull=False).first()
    return None


def asked(works: Sequence[Work]) -> dict[uuid.UUID, Finding]:
    """By step of record_invoice, what a second person is asked of what another system took back."""
    names = {work.step.id: _told(work) for work in works}
    found = elsewhere(set(names.values()))
    for work in works:
        if names[work.step.id] in found:
            work.notes["cancelled_at"] = found[names[work.step.id]].at
    return {work.step.id: _finding(work, one) for work in works if (one := found.get(names[work.step.id])) is not None}


def _told(work: Work) -> tuple[str, str, str]:
    return work.fact.source, work.fact.payload.legal_entity, work.fact.payload.invoice_number


def _finding(work: Work, cancelled: Cancelled) -> Finding:
    """Nothing in it changes between two checks, so that it is what was signed."""
    source, _, number = _told(work)
    text = f"Invoice {number} was cancelled in {cancelled.by}, as read there on {cancelled.at:%Y-%m-%d}"
    return Finding(
        reason=Reason.INVOICE_CANCELLED,
        text=f"{text}, and {source} tells of it",
        pointer="/invoice_number",
        seen=number,
        remedy="A second person approves it if it is owed all the same; refused, nothing of it is booked",
    )
