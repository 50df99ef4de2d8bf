"""Who bought and who is billed, by one rule for invoices and journals: the customer is who was sold to; where another
account is billed and owes, it is named beside.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from ledger.models import JournalEntry
from q2c.models import Invoice, OrderGroup
from q2c.reading import customers


@dataclass(frozen=True, slots=True)
class Parties:
    """Names. `billed` is empty where the customer is billed itself."""

    customer: str
    billed: str = ""


def of_invoices(invoices: Sequence[Invoice]) -> dict[uuid.UUID, Parties]:
    """By invoice id; two statements."""
    groups = OrderGroup.objects.filter(order__in={invoice.order_id for invoice in invoices})
    found = {
        (order_id, key): (bill_to, sold_to)
        for order_id, key, bill_to, sold_to in groups.values_list("order_id", "key", "bill_to", "order__customer_key")
    }
    pairs = {invoice.id: found.get((invoice.order_id, invoice.group), ("", "")) for invoice in invoices}
    names = customers.names(bill_to for bill_to, sold_to in pairs.values() if bill_to != sold_to)
    return {
        invoice.id: Parties(
            invoice.customer_name or invoice.account,
            names.get(bill_to, bill_to) if bill_to != sold_to else "",
        )
        for invoice in invoices
        for bill_to, sold_to in [pairs[invoice.id]]
    }


def of_entries(entries: Iterable[JournalEntry]) -> dict[uuid.UUID, Parties]:
    """By entry id: those of its invoice; of what has none, whom the entry names. At most five statements."""
    entries = list(entries)
    invoices = {(one.entity, one.number): one for one in invoices_of(entries)}
    parties = of_invoices(list(invoices.values()))
    mine = {entry.id: invoices.get(_document(entry)) for entry in entries}
    names = customers.names(entry.customer for entry in entries if mine[entry.id] is None)
    return {
        entry.id: parties[invoice.id] if invoice else Parties(names.get(entry.customer, entry.customer))
        for entry in entries
        for invoice in [mine[entry.id]]
    }


def invoices_of(entries: Iterable[JournalEntry]) -> QuerySet[Invoice]:
    """The invoices that these entries book; an invoice number is its entity's own."""
    numbers = {_document(entry)[1] for entry in entries} - {""}
    entities = {entry.entity.code for entry in entries}
    return Invoice.objects.filter(number__in=numbers, entity__in=entities)


def _document(entry: JournalEntry) -> tuple[str, str]:
    """(entity, invoice number), the number empty where it is about something else."""
    kind, _, number = entry.business_document.partition(":")
    return entry.entity.code, number if kind == "invoice" else ""
