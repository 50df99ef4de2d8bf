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
from q2c.models import Event, Order, Product
from q2c.models.order import OrderGroup, OrderLine

_numbers = itertools.count(1)
# Of each line, in minor units: a year of invoices and more.
_SOLD = 10_000_000
# What an order sells and each of its invoices bills: product, kind, net of one invoice before it varies.
GOODS = (("PLATFORM", "recurring", 120_000), ("ANALYTICS", "recurring", 50_000), ("IMPLEMENTATION", "one_time", 90_000))


def found() -> None:
    """Entities, chart, rules, rates and products, once."""
    if Product.objects.exists():
        return
    today = clock.today()
    company.found(today - dt.timedelta(days=60), today)
    catalogue.list_goods(today - dt.timedelta(days=400))


def _orders(numbers: list[str]) -> None:
    """Accepted orders of three lines, each worth more than is billed of it."""
    today, payload = clock.today(), "{}"
    event = Event.objects.create(
        id=keys.new_id(), type="OrderReceived", schema_version=1, source="bench", source_id=numbers[0],
        correlation_id=keys.new_id(), occurred_at=clock.now(), received_at=clock.now(), payload=payload,
        payload_hash=keys.fingerprint(payload.encode()),
    )  # fmt: skip
    orders = [
        Order(
            number=number, event=event, source="bench", source_id=number, document=payload, customer_key="C-1",
            customer_name="Bench Inc.", contract_entity="US", currency="USD", total_minor=3 * _SOLD, closed_on=today,
            starts_on=today, term_months=12, received_at=clock.now(),
        )
        for number in numbers
    ]  # fmt: skip
    Order.objects.bulk_create(orders)
    OrderGroup.objects.bulk_create(
        OrderGroup(
            order=order, key="us", region="US", entity="US", bill_to="C-1", currency="USD", total_minor=3 * _SOLD
        )
        for order in orders
    )
    products = {product.code: product for product in Product.objects.all()}
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order, line=number, group="us", product=product, kind=kind, quantity=1, unit_price=1,
            price_period="once", amount_minor=_SOLD, revenue_treatment=products[product].revenue_treatment,
            product_line=products[product].product_line,
        )
        for order in orders
        for number, (product, kind, _) in enumerate(GOODS, 1)
    )  # fmt: skip
    states.move(Order, "accept", [order.id for order in orders], accepted_at=clock.now())


def documents(count: int) -> list[InvoiceDocument]:
    """`count` invoices of accepted orders, not sent yet. Three lines and tax each, a year an order."""
    run = keys.new_secret("b")[-8:]
    orders = [f"O-{run}-{n:06}" for n in range((count + 11) // 12)]
    _orders(orders)
    return [_invoice(next(_numbers), orders[i // 12], month=i % 12) for i in range(count)]


def invoices(count: int) -> list[uuid.UUID]:
    """`count` issued invoices, taken in: what record_invoice finds waiting."""
    batch = [
        Incoming(
            type="InvoiceIssued", version=1, source="bench", source_id=document.invoice_number,
            correlation_id=keys.new_id(), causation_id=None, occurred_at=clock.now(),
            raw=msgspec.json.encode(document), payload=document,
        )
        for document in documents(count)
    ]  # fmt: skip
    stored: list[Any] = []
    for begin in range(0, count, 500):
        stored += store(batch[begin : begin + 500])
    return [one.id for one in stored]


def _invoice(number: int, order: str, month: int) -> InvoiceDocument:
    """The order's `month`th, in advance: no period is billed twice."""
    today = clock.today()
    starts_on = today + dt.timedelta(days=30 * month)
    run = keys.new_secret("b")[-8:]
    lines = tuple(
        InvoiceLine(
            line=position, product=product, kind=kind, net_minor=net + number % 97, tax_minor=(net + number % 97) // 20,
            tax_code="SW056000", service_starts_on=starts_on, service_ends_on=starts_on + dt.timedelta(days=30),
        )
        for position, (product, kind, net) in enumerate(GOODS, 1)
    )  # fmt: skip
    return InvoiceDocument(
        invoice_number=f"INV-{number:08}-{run}", billing_reference=f"b{number}-{run}", account="C-1-USD",
        order_number=order, group="us", legal_entity="US", currency="USD", issued_on=today, due_on=today,
        lines=lines, total_minor=sum(line.net_minor + line.tax_minor for line in lines),
    )  # fmt: skip
