"""A company with books and a paper ledger, orders that were accepted, invoices that arrive: for stories of the engine."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import msgspec
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from exceptions.models import Case
from ledger.models import Dimension, DimensionValue, LegalEntity
from q2c import clock, keys, states
from q2c.contracts.documents import InvoiceDocument, InvoiceLine
from q2c.engine import emit, run
from q2c.models import Connection, Event, ItemMapping, Order, OrderGroup, OrderLine, Product, Step
from tests.kept_rows import kept_rows
from tests.ledger import makers

NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)
OCTOBER = dt.date(2026, 10, 5)
_billed: Counter[Any] = Counter()
RIGHTS = (
    "view_case", "view_problem", "work_case", "replay_case", "bulk_replay", "close_case", "approve_case", "approve_order",
)  # fmt: skip


@kept_rows
def company() -> dict[str, LegalEntity]:
    """DE01 and US01 post to erp-de and erp-us; PLATFORM is sold, and carries cost centre CC-410."""
    entities = makers.entities()
    centre, _ = Dimension.objects.get_or_create(code="cost_center", defaults={"name": "Cost centre"})
    DimensionValue.objects.get_or_create(dimension=centre, code="CC-410")
    product = Product.objects.create(
        code="PLATFORM", name="Platform", kind="recurring", product_line="subscription",
        revenue_treatment="ratable_monthly", tax_code="SW056000",
    )  # fmt: skip
    for code, name in (("DE01", "erp-de"), ("US01", "erp-us")):
        entity = entities[code]
        entity.erp_connection, entity.erp_subsidiary = name, code
        entity.save()
        Connection.objects.create(
            name=name, title=name, vendor="paper", service="journals", base_url="http://paper.test", settle_s=30,
            time_limit_s=10,
        )  # fmt: skip
        ItemMapping.objects.create(
            product=product, connection=name, item="P-1", dimensions={"cost_center": "CC-410"},
            effective_from=dt.date(2026, 1, 1),
        )  # fmt: skip
    return entities


def order(number: str = "ORD-1", entity: str = "DE01", customer: str = "Acme GmbH", tax: int | None = None) -> Order:
    """An accepted order with one invoice group."""
    currency = {"DE01": "EUR", "US01": "USD"}[entity]
    event = Event.objects.create(
        type="OrderReceived", source="salesforce", source_id=f"{number}:{keys.new_id()}",
        correlation_id=keys.new_id(), occurred_at=clock.now(), received_at=clock.now(), payload="{}",
        payload_hash=keys.fingerprint(number.encode()),
    )  # fmt: skip
    made = Order.objects.create(
        number=number, event=event, source="salesforce", source_id=number, document="{}", customer_key="ACME",
        customer_name=customer, payer_key="ACME", contract_entity=entity, currency=currency, total_minor=120_000,
        closed_on=OCTOBER, starts_on=OCTOBER.replace(day=1), term_months=12, received_at=clock.now(),
    )  # fmt: skip
    OrderGroup.objects.create(
        order=made, key="G1", region="EMEA", entity=entity, bill_to="ACME", currency=currency, total_minor=120_000
    )
    OrderLine.objects.create(
        order=made, line=1, group="G1", product="PLATFORM", kind="recurring", quantity=1, unit_price=1,
        # Enough for as many invoices as a story needs.
        price_period="once", amount_minor=100_000_000, revenue_treatment="ratable_monthly", tax_estimate_minor=tax,
        product_line="subscription",
    )  # fmt: skip
    states.move(Order, "accept", [made.id], accepted_at=clock.now())
    return Order.objects.get(id=made.id)


def issue(number: str, of: Order, *, net: int = 100_000, tax: int = 19_000, on: dt.date = OCTOBER) -> None:
    """Billing issues an invoice; nothing has worked on it yet."""
    group = of.groups.get()
    # Each bills a day of its own; a credit takes back of the day that was billed last.
    _billed[of.id] += net >= 0
    day = of.starts_on + dt.timedelta(days=(_billed[of.id] - 1) % 360)
    document = InvoiceDocument(
        invoice_number=number, billing_reference=f"b-{number}", account=f"ACME-{group.currency}", order_number=of.number, group="G1",
        legal_entity=group.entity, currency=group.currency, issued_on=on, due_on=on + dt.timedelta(days=30),
        lines=(
            InvoiceLine(
                line=1, product="PLATFORM", kind="recurring", net_minor=net, tax_minor=tax, service_starts_on=day,
                service_ends_on=day + dt.timedelta(days=1),
            ),
        ),
        total_minor=net + tax,
    )  # fmt: skip
    raw = msgspec.json.encode(document)
    emit.store(
        [
            emit.Incoming(
                type="InvoiceIssued", version=1, source="zuora", source_id=number, correlation_id=keys.new_id(),
                causation_id=None, occurred_at=clock.now(), raw=raw, payload=document,
            )
        ]
    )  # fmt: skip


def run_all() -> None:
    """Every worker does what is due, until nothing is."""
    while run.drain("record_invoice") + run.drain("post_journal"):
        pass


def step(key: str, stage: str) -> Step:
    return Step.objects.get(business_key=key, stage=stage)


def case(key: str) -> Case:
    return Case.objects.get(business_key=key)


def person(name: str, rights: tuple[str, ...] = RIGHTS) -> Any:
    user = get_user_model().objects.create_user(name, password="a long enough word")
    of = ("exceptions", "q2c")
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=of, codename__in=rights))
    return user
