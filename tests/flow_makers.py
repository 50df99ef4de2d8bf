"""A small company and its flow, made by the engine itself; only what platforms answer is said here.

company()                               entities, chart, products, connections, rules
deal("O-1", customer="Acme")            a closed deal arrives
run("accept_order")                     every control, then tax and credit say yes
run("provision_billing", lambda work: Rejected(...))
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from exceptions import routing
from ledger import chart
from ledger.models import FxRate, LegalEntity
from q2c import clock, keys
from q2c.connectors.outcomes import Posted
from q2c.contracts.documents import (
    Address,
    Billing,
    InvoiceDocument,
    InvoiceGroup,
    InvoiceLine,
    OrderDocument,
    OrderLine,
    Party,
    Phase,
    PriceTier,
    UsageTerms,
)
from q2c.engine import emit, gates, record
from q2c.engine import run as engine
from q2c.engine.claim import claim
from q2c.models import Attempt, Connection, Event, ItemMapping, Order, PollCursor, Product, TaxNexus
from q2c.money import exponent
from q2c.stages import STAGES, sold
from q2c.stages.controls.calendar import add_months
from tests.kept_rows import kept_rows

SALES = "urn:salesforce:na1"
BILLING = "urn:zuora:eu"
# Billing by either name is read to its end, at whatever time a story is told.
READ = ("zuora", BILLING)
EVER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
# Months of each order that are billed.
_billed: Counter[uuid.UUID] = Counter()

# code, functional currency, country, regions, zone, parent
ENTITIES = (
    ("US01", "USD", "US", ["AMER"], "America/New_York", ""),
    ("DE01", "EUR", "DE", ["EMEA"], "Europe/Berlin", "US01"),
    ("JP01", "JPY", "JP", ["APAC"], "Asia/Tokyo", "US01"),
)
# code, name, kind, product line, treatment, meter
PRODUCTS = (
    ("PLATFORM", "Platform, per seat", "recurring", "subscription", "ratable_monthly", ""),
    ("ONBOARDING", "Implementation", "one_time", "implementation", "point_in_time", ""),
    ("API-CALLS", "API calls over the included", "usage", "usage", "usage_as_billed", "api_calls"),
)
CONNECTIONS = (
    ("salesforce", "Salesforce", "salesforce", "crm"),
    ("zuora", "Zuora", "zuora", "billing"),
    ("avatax", "AvaTax", "avatax", "tax"),
    ("credit", "Credit service", "credit", "credit"),
    ("erp-us01", "NetSuite US", "netsuite", "journals"),
    ("erp-de01", "NetSuite Germany", "netsuite", "journals"),
    ("erp-jp01", "NetSuite Japan", "netsuite", "journals"),
)
# region, entity, country, currency
REGIONS = {"AMER": ("US01", "US", "USD"), "EMEA": ("DE01", "DE", "EUR"), "APAC": ("JP01", "JP", "JPY")}


@kept_rows
def company(years: tuple[int, ...] = (2026, 2027)) -> dict[str, LegalEntity]:
    """Everything that an order is checked against."""
    found: dict[str, LegalEntity] = {}
    for code, currency, country, regions, zone, parent in ENTITIES:
        found[code] = LegalEntity.objects.create(
            code=code, name=f"Meridian {code}", functional_currency=currency, country=country, regions=regions,
            timezone=zone, parent=found.get(parent), erp_connection=f"erp-{code.lower()}",
        )  # fmt: skip
    chart.install(*found.values(), years=years)
    for pair, rate in {("EUR", "USD"): "1.10", ("JPY", "USD"): "0.0067", ("USD", "JPY"): "149"}.items():
        FxRate.objects.bulk_create(
            FxRate(
                from_currency=pair[0], to_currency=pair[1], on=add_months(dt.date(2025, 1, 1), n), rate=Decimal(rate)
            )
            for n in range(60)
        )
    for name, title, vendor, service in CONNECTIONS:
        Connection.objects.create(
            name=name, title=title, vendor=vendor, service=service, base_url=f"sandbox://{vendor}"
        )
    for name in READ:
        PollCursor.objects.create(connection=name, reached=EVER, read_at=EVER)
    for code, name, kind, line, treatment, meter in PRODUCTS:
        product = Product.objects.create(
            code=code, name=name, kind=kind, product_line=line, revenue_treatment=treatment, tax_code="SW", meter=meter
        )
        for entity in found:
            ItemMapping.objects.create(
                product=product, connection=f"erp-{entity.lower()}", item=f"{code}-{entity}",
                dimensions={"cost_center": "CC-410"}, effective_from=dt.date(2020, 1, 1),
            )  # fmt: skip
    for code, _, country, *_ in ENTITIES:
        TaxNexus.objects.create(entity=code, country=country, region="", effective_from=dt.date(2020, 1, 1))
    routing.sync_policies()
    return found


def order_document(number: str, customer: str = "Acme GmbH", region: str = "EMEA", **more: Any) -> OrderDocument:
    """Two years of the platform in two phases, an implementation fee and usage with tiers, in one region."""
    _, country, currency = REGIONS[region]
    starts = more.pop("starts_on", clock.today())
    key = more.pop("customer_key", f"A-{customer}"[:40])
    lines = _lines(
        region.lower(), currency, starts, more.pop("seats", 100), more.pop("unit_price", "40"),
        more.pop("discount_minor", 0),
    )  # fmt: skip
    group = InvoiceGroup(
        key=region.lower(), region=region, bill_to=key, ship_to=Address(country=country), currency=currency
    )
    party = Party(key=key, name=customer, pays_for_itself=True, billing_address=Address(country=country))
    given = {
        "order_number": number, "customer": key, "contract_entity": "US01", "currency": currency,
        "closed_on": clock.today(), "starts_on": starts, "term_months": 24, "parties": (party,), "groups": (group,),
        "lines": lines,
    }  # fmt: skip
    return OrderDocument(**given | more)


def _lines(
    group: str, currency: str, starts: dt.date, seats: int, unit: str, discount: int
) -> tuple[OrderLine, OrderLine, OrderLine]:
    """Seats double after a year; amounts are exact in the currency's own decimals."""
    half, end = add_months(starts, 12), add_months(starts, 24)
    scale = 10 ** exponent(currency)
    phases = (
        Phase(starts_on=starts, ends_on=half, quantity=str(seats), unit_price=unit),
        Phase(starts_on=half, ends_on=end, quantity=str(seats * 2), unit_price=unit),
    )
    platform = OrderLine(
        line=1, product="PLATFORM", group=group, kind="recurring", quantity=str(seats), unit_price=unit,
        price_period="month", discount_minor=discount, amount_minor=seats * int(unit) * 36 * scale - discount,
        phases=phases, billing=Billing(frequency="annual"), revenue_treatment="ratable_monthly",
    )  # fmt: skip
    fee = OrderLine(
        line=2, product="ONBOARDING", group=group, kind="one_time", quantity="1", unit_price="5000",
        amount_minor=5000 * scale, billing=Billing(frequency="once"), revenue_treatment="point_in_time",
    )  # fmt: skip
    tiers = (PriceTier(up_to="100000", unit_price="0.002"), PriceTier(unit_price="0.001"))
    usage = OrderLine(
        line=3, product="API-CALLS", group=group, kind="usage", amount_minor=0, revenue_treatment="usage_as_billed",
        billing=Billing(frequency="monthly", timing="in_arrears"),
        usage=UsageTerms(meter="api_calls", included_quantity="10000", tiers=tiers),
    )  # fmt: skip
    return platform, fee, usage


def arrive(type_: str, source: str, source_id: str, payload: Any, correlation_id: uuid.UUID | None = None) -> Event:
    """A fact comes in by the one door."""
    (stored,) = emit.store(
        [
            emit.Incoming(
                type=type_, version=1, source=source, source_id=source_id,
                correlation_id=correlation_id or keys.new_id(), causation_id=None, occurred_at=clock.now(),
                raw=msgspec.json.encode(payload), payload=payload,
            )
        ]
    )  # fmt: skip
    return Event.objects.get(id=stored.id)


def deal(number: str, customer: str = "Acme GmbH", region: str = "EMEA", **more: Any) -> Event:
    """A closed deal arrives from the sales platform."""
    document = order_document(number, customer, region, **more)
    return arrive("OrderReceived", SALES, f"006{number}:1", document)


def run(stage: str, answer: Callable[[Any], Any] | None = None, limit: int = 500) -> int:
    """One batch of a stage through the engine; `answer(work)` is what the platform says, yes unless given."""
    steps = claim(stage, limit)
    works = engine.load(steps)
    row = STAGES[stage]
    open_gates = gates.Gates()
    engine.prepare(row, works, open_gates)
    for work in works:
        if work.is_open:
            work.outcome = (answer or yes)(work)
            if work.step.connection:
                _attempt(work)
    record.record(row, works, [], open_gates)
    return len(works)


def yes(work: Any) -> Posted:
    """Done at once, under a number made of the step's key."""
    if work.step.stage == "accept_order":
        work.notes["taxes"] = {work.fact.payload.currency: 19_000}
        return Posted(reference="")
    if not work.step.connection:
        return Posted(reference="")
    number = f"{work.step.stage[:2].upper()}-{work.step.key[-6:]}"
    return Posted(reference=f"id-{work.step.key}", document=number, proof={"posted_at": clock.now().isoformat()})


def _attempt(work: Any) -> None:
    done = isinstance(work.outcome, Posted)
    Attempt.objects.create(
        step_id=work.step.id, correlation_id=work.fact.correlation_id, connection=work.step.connection,
        at=clock.now(), method="POST", url=f"https://{work.step.connection}.example/records",
        request_body='{"externalId": "' + work.step.key + '"}', status=204 if done else 400,
        response_body="" if done else '{"title": "refused"}', duration_ms=184,
    )  # fmt: skip


def bill(order: Order, number: str, net_minor: int | None = None, tax_minor: int | None = None, **more: Any) -> Event:
    """Billing issues an invoice for the first group of an accepted order: a third of the platform, and once the fee."""
    group = order.groups.first()
    assert group is not None
    reference = more.pop("billing_reference", f"8ad{number}")
    day = more.pop("issued_on", clock.today())
    amounts = {line.product: line.amount_minor for line in order.lines.all()}
    net = amounts["PLATFORM"] // 3 if net_minor is None else net_minor
    starts_on, ends_on = _days_for(order, net)
    tax = net * 19 // 100 if tax_minor is None else tax_minor
    lines = [
        InvoiceLine(
            line=1, product="PLATFORM", kind="recurring", charge="Platform", quantity="100",
            service_starts_on=starts_on, service_ends_on=ends_on, net_minor=net, tax_minor=tax, tax_code="SW",
        )
    ]  # fmt: skip
    if not order.invoices.exists():
        fee = amounts["ONBOARDING"]
        lines.append(InvoiceLine(line=2, product="ONBOARDING", kind="one_time", charge="Implementation", net_minor=fee))
    lines = more.pop("lines", lines)
    total = sum(line.net_minor + line.tax_minor for line in lines)
    document = InvoiceDocument(
        invoice_number=number, billing_reference=reference, account=f"{group.bill_to}-{group.currency}",
        order_number=order.number, group=group.key, subscription=f"S-{order.number}-{group.key}",
        legal_entity=group.entity, currency=group.currency, issued_on=day, due_on=day + dt.timedelta(days=30),
        lines=tuple(lines), total_minor=total, **more,
    )  # fmt: skip
    return arrive("InvoiceIssued", BILLING, reference, document, order.correlation_id)


def _days_for(order: Order, net: int) -> tuple[dt.date, dt.date]:
    """The next months that nobody has billed, as many as are worth it; seats double after a year."""
    first = _billed[order.id] % order.term_months
    spans = sold.spans(order)[order.groups.all()[0].key, "PLATFORM", "recurring"]
    starts_on = add_months(order.starts_on, first)
    for count in range(1, order.term_months - first + 1):
        ends_on = add_months(starts_on, count)
        if sum(span.worth(starts_on, ends_on) for span in spans) >= net:
            break
    _billed[order.id] = first + count
    return starts_on, ends_on


def _on_its_way() -> None:
    """Every stage that an accepted order calls for, in the order of the table, until none has work."""
    while sum(run(stage) for stage in STAGES if stage not in ("record_invoice", "post_journal", "write_back")):
        pass


def through(number: str = "O-1001", invoice: str = "INV-2001", **more: Any) -> Order:
    """One deal from closed-won to the posted journal."""
    deal(number, **more)
    _on_its_way()
    order = Order.objects.get(number=number)
    bill(order, invoice)
    run("record_invoice")
    run("post_journal")
    return order
