"""An invoice that billing took back after it was booked: the case that tells of it, and what ends that case."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Q, QuerySet

from exceptions import cases
from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from ledger import journal
from ledger.models import JournalEntry
from q2c.models import Invoice, Step
from q2c.stages import in_billing
from q2c.stages.fiscal import periods_on
from q2c.stages.versions import invoice_key

# The code of that case.
CANCELLED = "cancelled_in_billing"
# In the proof of what ended since billing took the invoice back, and on the timeline of a case that was closed before.
TAKEN_BACK = "taken_back"
_INVOICE = "invoice:"
# A step that found its invoice there names it by its id.
_ID_LENGTH = 36


def booked_as(source: str, reference: str) -> Invoice | None:
    """What `source` calls so: by its reference, which is its own; else where another system told of it first and the
    word of `source` was taken as done; else by its number, which two entities may have."""
    return all_booked_as([(source, reference)]).get((source, reference))


def all_booked_as(named: Collection[tuple[str, str]]) -> dict[tuple[str, str], Invoice]:
    """The same of many, by (source, what that calls it). At most three statements."""
    sources, references = {source for source, _ in named}, {reference for _, reference in named if reference}
    called = Q(billing_reference__in=references) | Q(number__in=references)
    rows = Invoice.objects.filter(called, source__in=sources).exclude(state="voided") if references else ()
    by_reference: dict[tuple[str, str], Invoice] = {}
    by_number: dict[tuple[str, str], Invoice] = {}
    for one in sorted(rows, key=lambda one: one.id):
        by_reference.setdefault((one.source, one.billing_reference), one)
        by_number.setdefault((one.source, one.number), one)
    found = _taken_as_done({name for name in named if name[1] and name not in by_reference})
    there = by_number | found | by_reference
    return {name: there[name] for name in named if name in there}


def known_as(source: str, references: Collection[str]) -> QuerySet[Invoice]:
    """Invoices that `source` knows by these references, whoever told of them first."""
    found = _taken_as_done({(source, reference) for reference in references})
    mine = Q(source=source, billing_reference__in=references)
    return Invoice.objects.filter(mine | Q(id__in=[one.id for one in found.values()])).exclude(state="voided")


def _taken_as_done(named: Collection[tuple[str, str]]) -> dict[tuple[str, str], Invoice]:
    """What was in the books from another system when these were told of, or is, where billing has it otherwise."""
    by_key = {invoice_key(*name): name for name in named}
    done = Step.objects.filter(stage="record_invoice", state="done", order_key__in=list(by_key)) if by_key else ()
    told = {step.reference: by_key[step.order_key] for step in done if len(step.reference) == _ID_LENGTH}
    rows = Invoice.objects.filter(id__in=list(told)).exclude(state="voided") if told else ()
    known = in_billing.known({key for key, name in by_key.items() if name not in told.values()})
    return {by_key[key]: one for key, one in known.items()} | {told[str(one.id)]: one for one in rows}


def period_of(invoice: Invoice) -> str:
    """The period that has it: that of the journal which books it, else that of its date in its entity."""
    return periods_of([invoice])[invoice.id]


def periods_of(invoices: Collection[Invoice]) -> dict[Any, str]:
    """The same of many, by id. Two statements."""
    entries = JournalEntry.objects.filter(event_id__in=[one.event_id for one in invoices], reverses=None)
    rows = entries.exclude(state="superseded").order_by("id").values_list("event_id", "period__name")
    booked = dict(rows) if invoices else {}
    others = periods_on({(one.entity, one.issued_on) for one in invoices if one.event_id not in booked})
    return {one.id: booked.get(one.event_id) or others[one.entity, one.issued_on] for one in invoices}


def unbooked(invoices: Collection[Invoice], actor: str, why: str) -> None:
    """Nothing of them was posted, and they are voided: what told of them as booked ends."""
    if not invoices:
        return
    gone = {(one.entity, one.number) for one in invoices}
    numbers = [one.number for one in invoices]
    told = Case.objects.filter(code=CANCELLED, state__in=UNRESOLVED, business_key__in=numbers)
    rows = told.values_list("id", "entity", "business_key")
    proofs = {id_: {TAKEN_BACK: why} for id_, *named in rows if tuple(named) in gone}
    if proofs:
        cases.resolve_cases(proofs, actor=actor, resolution="resolved_by_itself")


def settle(mirrors: Mapping[str, JournalEntry], actor: str) -> None:
    """The books hold none of it any more: its case ends. `mirrors` by document number, posted just now."""
    by_name = {
        (entry.entity.code, entry.business_document.removeprefix(_INVOICE)): document
        for document, entry in mirrors.items()
        if entry.reverses_id and entry.business_document.startswith(_INVOICE)
    }
    numbers = {number for _, number in by_name}
    gone = Invoice.objects.filter(number__in=numbers, taken_back_at__isnull=False) if by_name else ()
    invoices = {one.event_id: one for one in gone if (one.entity, one.number) in by_name}
    reversed_ = [invoices[id_] for id_ in journal.taken_back(invoices)]
    settled = {(one.entity, one.number) for one in reversed_}
    if not settled:
        return
    told = Case.objects.filter(code=CANCELLED, state__in=UNRESOLVED, business_key__in=numbers)
    proofs = {
        case.id: {"document": by_name[case.entity, case.business_key]}
        for case in told.only("id", "entity", "business_key")
        if (case.entity, case.business_key) in settled
    }
    if proofs:
        cases.resolve_cases(proofs, actor=actor, resolution="resolved_by_itself")
