"""An invoice that billing took back after it was booked: the case that tells of it, and what ends that case."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

from django.db.models import Q

from exceptions import cases
from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from ledger import journal
from ledger.models import FiscalPeriod, JournalEntry
from q2c import bulk
from q2c.models import Invoice

# The code of that case.
CANCELLED = "cancelled_in_billing"
_INVOICE = "invoice:"
_HOLDS = """
SELECT a.entity, a.day, p.name FROM unnest(%s::text[], %s::date[]) AS a(entity, day)
JOIN ledger_legalentity n ON n.code = a.entity JOIN ledger_fiscalperiod p ON p.entity_id = n.id
AND p.subledger = 'receivables' AND p.starts_on <= a.day AND p.ends_on > a.day
"""


def booked_as(source: str, reference: str) -> Invoice | None:
    """What `source` calls so: by its reference, which is its own; else by its number, which two entities may have."""
    named = Q(billing_reference=reference) | Q(number=reference)
    found = list(Invoice.objects.filter(named, source=source).exclude(state="voided").order_by("id"))
    return next((one for one in found if one.billing_reference == reference), found[0] if found else None)


def period_of(invoice: Invoice) -> str:
    """The period that has it: that of the journal which books it, else that of its date in its entity."""
    entries = JournalEntry.objects.filter(event_id=invoice.event_id, reverses=None).exclude(state="superseded")
    booked = entries.order_by("-id").values_list("period__name", flat=True).first()
    return booked or period_on(invoice.entity, invoice.issued_on)


def period_on(entity: str, day: dt.date) -> str:
    """The period of a legal entity that holds a day; where it has none yet, the month's name."""
    around = FiscalPeriod.objects.filter(entity__code=entity, subledger="receivables", starts_on__lte=day)
    return around.filter(ends_on__gt=day).values_list("name", flat=True).first() or f"{day:%Y-%m}"


def periods_on(days: Collection[tuple[str, dt.date]]) -> dict[tuple[str, dt.date], str]:
    """The same of many, by (legal entity, day). One statement."""
    entities, dates = [entity for entity, _ in days], [day for _, day in days]
    found = {(entity, day): name for entity, day, name in bulk.execute(_HOLDS, [entities, dates])} if days else {}
    return {(entity, day): found.get((entity, day), f"{day:%Y-%m}") for entity, day in days}


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
    settled = {(one.source[:60], one.entity, one.number) for one in reversed_}
    if not settled:
        return
    told = Case.objects.filter(code=CANCELLED, state__in=UNRESOLVED, business_key__in=numbers)
    proofs = {
        case.id: {"document": by_name[case.entity, case.business_key]}
        for case in told.only("id", "source", "entity", "business_key")
        if (case.source, case.entity, case.business_key) in settled
    }
    if proofs:
        cases.resolve_cases(proofs, actor=actor, resolution="resolved_by_itself")
