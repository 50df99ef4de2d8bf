"""Invoices as the ledger is told, and entries as an ERP is: one place each, so dry run and replay see the same."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ledger.facts import Fact as LedgerFact
from ledger.facts import FactLine
from ledger.journal import EntryView
from ledger.models import JournalEntry, LegalEntity
from q2c.connectors.outcomes import Rejected
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument, JournalDocument, JournalLine
from q2c.models import Customer, Event, Invoice, ItemMapping, Order
from q2c.stages import terms_of_lines
from q2c.stages.verb import OpenPort, Said, Work


def catalogue(invoices: Iterable[InvoiceDocument]) -> dict[str, Any]:
    """The item mappings of their products by ledger, and each entity's ledger, for these invoices."""
    invoices = list(invoices)
    codes = {line.product for invoice in invoices for line in invoice.lines}
    entities = LegalEntity.objects.filter(code__in={invoice.legal_entity for invoice in invoices})
    mappings: dict[tuple[str, str], list[ItemMapping]] = defaultdict(list)
    for row in ItemMapping.objects.filter(product__code__in=codes).select_related("product").order_by("effective_from"):
        mappings[row.product.code, row.connection].append(row)
    return {
        "mappings": mappings,
        "ledgers": dict(entities.values_list("code", "erp_connection")),
    }


def dimensions_of(data: dict[str, Any], product: str, entity: str, on: dt.date) -> dict[str, str]:
    """What the item of this product in the entity's ledger, in force that day, puts onto its lines."""
    rows: list[ItemMapping] = data["mappings"].get((product, data["ledgers"].get(entity, "")), [])
    in_force = [row for row in rows if row.effective_from <= on and (row.effective_to is None or on < row.effective_to)]
    return in_force[-1].dimensions if in_force else {}


def fact_of(
    event_id: uuid.UUID, correlation_id: uuid.UUID, invoice: InvoiceDocument, order: Order, data: dict[str, Any]
) -> LedgerFact:
    """The invoice as the ledger is told: revenue treatment and product line are those of the order line that it bills.

    A line of which the order does not say them (terms_of_lines.undecided) has none. Sold in no product line, it has
    that of its item mapping, by which its account is found too.
    """
    group = next((group for group in order.groups.all() if group.key == invoice.group), None)
    region = group.region if group else ""
    # Whoever is billed owes it: a daughter that pays for itself, not the mother who signed.
    debtor = group.bill_to if group else order.payer_key or order.customer_key
    lines = []
    for line, terms in zip(invoice.lines, terms_of_lines.of_lines(invoice, order), strict=True):
        treatment, product_line = terms or terms_of_lines.Terms()
        dimensions = dimensions_of(data, line.product, invoice.legal_entity, invoice.issued_on)
        lines.append(
            FactLine(
                line=line.line, product=line.product, kind=line.kind, revenue_treatment=treatment,
                product_line=product_line or dimensions.get("product_line", ""), tax_code=line.tax_code, region=region,
                net_minor=line.net_minor, tax_minor=line.tax_minor, dimensions=dimensions,
                memo=line.description or line.charge,
            )
        )  # fmt: skip
    return LedgerFact(
        event_id=event_id, event_type="InvoiceIssued", entity_code=invoice.legal_entity,
        effective_on=invoice.issued_on, currency=invoice.currency, subledger="receivables", journal="SALES",
        business_document=f"invoice:{invoice.invoice_number}", customer=debtor,
        memo=f"Invoice {invoice.invoice_number} {order.customer_name}"[:200], correlation_id=correlation_id,
        lines=tuple(lines),
    )  # fmt: skip


def customer_names(entries: Iterable[JournalEntry]) -> dict[uuid.UUID, str]:
    """Whom people look for in the steps of these entries, by entry id: who was sold to, as in the invoice's own."""
    entries = list(entries)
    documents = {entry.id: (entry.entity.code, entry.business_document.partition(":")[2]) for entry in entries}
    invoices = Invoice.objects.filter(number__in={number for _, number in documents.values() if number})
    sold = {
        (entity, number): name for entity, number, name in invoices.values_list("entity", "number", "customer_name")
    }
    found = {id_: sold[about] for id_, about in documents.items() if sold.get(about)}
    rest = {entry.customer for entry in entries if entry.id not in found and entry.customer}
    names = dict(Customer.objects.filter(key__in=rest).values_list("key", "name")) if rest else {}
    return {entry.id: found.get(entry.id) or names.get(entry.customer, entry.customer) for entry in entries}


def facts_of_events(event_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, LedgerFact]:
    """The ledger facts of InvoiceIssued events, on today's item mappings. Other events have none."""
    events = list(Event.objects.filter(id__in=set(event_ids), type="InvoiceIssued"))
    invoices = {event.id: stored.read(event.payload, InvoiceDocument) for event in events}
    numbers = {invoice.order_number for invoice in invoices.values()}
    found = {
        order.number: order for order in Order.objects.filter(number__in=numbers).prefetch_related("groups", "lines")
    }
    data = catalogue(invoices.values())
    return {
        event.id: fact_of(
            event.id, event.correlation_id, invoices[event.id], found[invoices[event.id].order_number], data
        )
        for event in events
        if invoices[event.id].order_number in found
    }


def documents_of(views: Sequence[EntryView]) -> list[JournalDocument]:
    """Entries as they are sent, in order; those that a dry run derived have neither number nor key yet."""
    subsidiaries = dict(LegalEntity.objects.values_list("code", "erp_subsidiary"))
    return [
        JournalDocument(
            key=view.key, number=view.number, entity=subsidiaries[view.entity] or view.entity, currency=view.currency,
            effective_on=view.effective_on, period=view.period, memo=f"{view.number} {view.memo}".strip()[:200],
            lines=tuple(
                JournalLine(
                    line=line.line, account=line.account, amount_minor=line.amount_minor,
                    functional_minor=line.functional_minor, dimensions=line.dimensions, customer=view.customer,
                    memo=line.memo,
                )
                for line in view.lines
            ),
            exchange_rate=view.functional_rate, functional_currency=view.functional_currency,
        )
        for view in views
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ahead:
    """The journal that a step would leave to be posted, and the connection that it would go to."""

    connection: str
    document: JournalDocument


def ahead(view: EntryView) -> Ahead | None:
    """What a dry run asks its general ledger about; None where the entity has none."""
    connection = LegalEntity.objects.filter(code=view.entity).values_list("erp_connection", flat=True).first()
    return Ahead(connection, documents_of([view])[0]) if connection else None


def check_ahead(open_port: OpenPort, works: Sequence[Work], told: str) -> list[Said]:
    """What the general ledger would refuse of the journals ahead; `told` says what would be done all the same."""
    ports = open_port(works[0].notes["ahead"].connection)
    answers: list[Said] = ports.check([w.notes["ahead"].document for w in works], whole=True)
    return [
        replace(answer, text=f"{told}: {answer.text}") if isinstance(answer, Rejected) else answer for answer in answers
    ]
