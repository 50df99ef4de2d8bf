"""The demo company's master data, and invoices of its customers ready to be recorded: what journals are made of."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from typing import Any

import msgspec

from q2c import clock, keys, states
from q2c.contracts.documents import InvoiceDocument, InvoiceLine
from q2c.demo import catalogue, company
from q2c.engine.emit import Incoming, store
from q2c.models import Event, Order
from q2c.models.order import OrderGroup, OrderLine

_numbers = itertools.count(1)


def found() -> None:
    """Entities, chart, rules, rates and products, once."""
    if Order.objects.exists():
        return
    today = clock.today()
    company.found(today - dt.timedelta(days=60), today)
    catalogue.list_goods(today - dt.timedelta(days=400))
    payload = "{}"
    event = Event.objects.create(
        id=keys.new_id(), type="OrderReceived", schema_version=1, source="bench", source_id="order",
        correlation_id=keys.new_id(), occurred_at=clock.now(), received_at=clock.now(), payload=payload,
        payload_hash=keys.fingerprint(payload.encode()),
    )  # fmt: skip
    order = Order.objects.create(
        number="O-BENCH", event=event, source="bench", source_id="order", document=payload, customer_key="C-1",
        customer_name="Bench Inc.", contract_entity="US", currency="USD", total_minor=1, closed_on=today,
        starts_on=today, term_months=12, received_at=clock.now(),
    )  # fmt: skip
    OrderGroup.objects.create(
        order=order, key="us", region="US", entity="US", bill_to="C-1", currency="USD", total_minor=1
    )
    for number, product in enumerate(("PLATFORM", "ANALYTICS", "IMPLEMENTATION"), 1):
        OrderLine.objects.create(
            order=order, line=number, group="us", product=product, kind="recurring", quantity=1, unit_price=1,
            price_period="once", amount_minor=1, revenue_treatment="ratable_daily",
        )  # fmt: skip
    states.move(Order, "accept", [order.id], accepted_at=clock.now())


def invoices(count: int) -> list[uuid.UUID]:
    """`count` issued invoices, taken in: what record_invoice finds waiting. Three lines and tax each."""
    documents = [_invoice(next(_numbers)) for _ in range(count)]
    batch = [
        Incoming(
            type="InvoiceIssued", version=1, source="bench", source_id=document.invoice_number,
            correlation_id=keys.new_id(), causation_id=None, occurred_at=clock.now(),
            raw=msgspec.json.encode(document), payload=document,
        )
        for document in documents
    ]  # fmt: skip
    stored: list[Any] = []
    for begin in range(0, count, 500):
        stored += store(batch[begin : begin + 500])
    return [one.id for one in stored]


def _invoice(number: int) -> InvoiceDocument:
    today = clock.today()
    run = keys.new_secret("b")[-8:]
    lines = tuple(
        InvoiceLine(
            line=position, product=product, kind=kind, net_minor=net + number % 97, tax_minor=(net + number % 97) // 20,
            tax_code="SW056000", service_starts_on=today, service_ends_on=today + dt.timedelta(days=30),
        )
        for position, (product, kind, net) in enumerate(
            (("PLATFORM", "recurring", 120_000), ("ANALYTICS", "recurring", 50_000), ("IMPLEMENTATION", "one_time", 90_000)),
            1,
        )
    )  # fmt: skip
    return InvoiceDocument(
        invoice_number=f"INV-{number:08}-{run}", billing_reference=f"b{number}-{run}", account="C-1-USD",
        order_number="O-BENCH", group="us", legal_entity="US", currency="USD", issued_on=today, due_on=today,
        lines=lines, total_minor=sum(line.net_minor + line.tax_minor for line in lines),
    )  # fmt: skip
