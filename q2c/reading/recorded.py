"""What is recorded already of an invoice that came once more, readable or not, or of two systems, or was taken back."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from ledger.models import JournalEntry
from q2c.models import Invoice
from q2c.reasons import Reason
from q2c.stages.not_theirs import FORBIDDEN
from q2c.stages.taken_back_there import CANCELLED


def first_of(user: Any, case: Case) -> list[tuple[Invoice, list[JournalEntry]]]:
    """The invoices that were there first, each with its journals, the latest first; of both, what the user may see."""
    unread = case.context.get("reference") if case.raw_hash is not None and case.code != CANCELLED else None
    if case.code == FORBIDDEN and case.entity:
        there = Q(number=case.business_key, entity=case.entity) & ~Q(state="voided")
    elif unread:
        there = Q(billing_reference=unread, source=case.context.get("source") or case.source)
    elif case.reason in (Reason.INVOICE_DUPLICATE, Reason.INVOICE_CHANGED) or case.code == CANCELLED:
        there = Q(number=case.business_key, entity=case.entity)
    elif case.stage == "record_invoice" and case.state in UNRESOLVED:
        return [(one, _journals(user, one)) for one in _told_elsewhere(user, case)]
    else:
        return []
    for finding in case.context.get("findings", []):
        if finding.get("pointer") == "/billing_reference":
            there |= Q(billing_reference=finding.get("seen") or None, source=case.source)
    found = Invoice.objects.visible_to(user).filter(there).exclude(event=case.event_id)
    return [(invoice, _journals(user, invoice)) for invoice in found.order_by("number")[:5]]


def _told_elsewhere(user: Any, case: Case) -> QuerySet[Invoice]:
    """What is booked under its name as another system told of it: an entity gives a number once."""
    named = Invoice.objects.visible_to(user).filter(number=case.business_key, entity=case.entity)
    return named.exclude(source=case.source).exclude(state="voided").order_by("number")


def _journals(user: Any, invoice: Invoice) -> list[JournalEntry]:
    entries = JournalEntry.objects.visible_to(user).filter(
        business_document=f"invoice:{invoice.number}", entity__code=invoice.entity
    )
    return list(entries.exclude(state="superseded").order_by("-id")[:5])
