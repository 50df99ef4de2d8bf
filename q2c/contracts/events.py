"""Canonical events: type, version and payload. EVENTS is the table of all that q2c knows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from msgspec import Struct

from q2c.contracts.documents import InvoiceDocument, Key, Minor, OrderDocument, Text


class OrderFact(Struct, frozen=True, kw_only=True):
    """OrderAccepted, OrderRejected, OrderCancelled."""

    order_id: str
    order_number: str
    reason: Text = ""


class CustomerSynced(Struct, frozen=True, kw_only=True):
    """`account` exists in the platform behind `connection`, for this order."""

    order_id: str
    order_number: str
    connection: str
    account: str


class SubscriptionFact(Struct, frozen=True, kw_only=True):
    """SubscriptionProvisioned, SubscriptionActivated: one invoice group of an order in billing."""

    order_id: str
    order_number: str
    subscription_id: str
    group: str
    phase: int = 0


class OrderCancelRequested(Struct, frozen=True, kw_only=True):
    """A person or the sales platform asks that an order be undone."""

    order_number: Key
    effective_on: dt.date
    reason: Text = ""


class InvoiceFact(Struct, frozen=True, kw_only=True):
    """PaymentDue, RevenueScheduled: what follows from a recorded invoice."""

    invoice_id: str
    invoice_number: str
    legal_entity: str
    currency: str
    amount_minor: Minor
    due_on: dt.date | None = None


class JournalFact(Struct, frozen=True, kw_only=True):
    """JournalReady, JournalPosted, JournalReversed, JournalWithdrawn.

    `amount_minor` is what the entry's document comes to: below zero of a credit, and of the mirror of a charge.
    """

    journal_id: str
    number: str
    legal_entity: str
    currency: str
    amount_minor: Minor
    period: str
    document_number: str = ""


class JournalReversalRequested(Struct, frozen=True, kw_only=True):
    journal_id: str
    effective_on: dt.date
    reason: Text


@dataclass(frozen=True, slots=True)
class EventType:
    """One row of EVENTS. `inbound` events may be sent to POST /api/v1/events by an upstream system.

    `right` is what its key needs for this one beside q2c.add_event: what undoes something is not for every sender, and
    what billing says is booked as it comes. An order has none: the controls look at it, whoever sent it.
    """

    name: str
    version: int
    payload: type
    inbound: bool
    about: str
    right: str = ""


EVENTS: dict[str, EventType] = {
    row.name: row
    for row in (
        EventType("OrderReceived", 1, OrderDocument, True, "A deal closed in the sales platform"),
        EventType("OrderAccepted", 1, OrderFact, False, "Every control passed"),
        EventType("OrderRejected", 1, OrderFact, False, "A person gave the order up"),
        EventType("OrderCancelRequested", 1, OrderCancelRequested, True, "Undo an order", "q2c.cancel_order"),
        EventType("OrderCancelled", 1, OrderFact, False, "What was provisioned is cancelled"),
        EventType("CustomerSynced", 1, CustomerSynced, False, "The customer exists in one platform"),
        EventType("SubscriptionProvisioned", 1, SubscriptionFact, False, "Billing knows the subscription"),
        EventType("SubscriptionActivated", 1, SubscriptionFact, False, "A phase has begun in billing"),
        EventType("InvoiceIssued", 1, InvoiceDocument, True, "Billing issued an invoice", "q2c.add_invoice"),
        EventType("PaymentDue", 1, InvoiceFact, False, "An invoice waits for payment"),
        EventType("RevenueScheduled", 1, InvoiceFact, False, "An invoice carries revenue to recognise"),
        EventType("JournalReady", 1, JournalFact, False, "A journal is balanced, numbered and frozen"),
        EventType("JournalPosted", 1, JournalFact, False, "The general ledger holds the journal"),
        EventType(
            "JournalReversalRequested", 1, JournalReversalRequested, True, "Mirror a posted journal",
            "ledger.reverse_journalentry",
        ),
        EventType("JournalReversed", 1, JournalFact, False, "The mirror entry is posted"),
        EventType("JournalWithdrawn", 1, JournalFact, False, "A journal that may have left is not to be posted"),
    )
}  # fmt: skip
