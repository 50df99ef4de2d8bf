"""Tern Systems in memory: the demo company's entities, goods and registrations, and a deal that every control likes.

order()                                 Harbor buys for San Francisco and for its daughter in Hamburg
changed(order(), "/lines/0/product", "GONE")
"""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import msgspec

from ledger import fx
from ledger.models import LegalEntity
from q2c.contracts.documents import OrderDocument
from q2c.demo import catalogue, company
from q2c.models import Customer, ItemMapping, ListPrice, Product, TaxNexus
from q2c.stages.controls.calendar import add_months
from q2c.stages.controls.world import World

TODAY = dt.date(2026, 1, 15)
SINCE = dt.date(2025, 1, 1)

_DRAFT = {
    "order_number": "SO-1001", "customer": "A-1", "contract_entity": "US", "currency": "USD",
    "closed_on": "2026-01-15", "starts_on": "2026-02-01", "term_months": 24,
    "parties": [
        {"key": "A-1", "name": "Harbor Holdings Inc.", "billing_address": {"country": "US", "region": "CA"}},
        {"key": "A-2", "name": "Harbor Logistik GmbH", "parent": "A-1", "pays_for_itself": True},
    ],
    "groups": [
        {"key": "us", "region": "US", "legal_entity": "US", "bill_to": "A-1", "currency": "USD",
         "ship_to": {"country": "US", "region": "CA", "city": "San Francisco", "postal_code": "94105"}},
        {"key": "de", "region": "DE", "bill_to": "A-2", "currency": "EUR", "ship_to": {"country": "DE"}},
    ],
    "lines": [
        # 12 × 100 × 48.00 + 12 × 150 × 48.00 − 4,000.00
        {"line": 1, "product": "PLATFORM", "group": "us", "kind": "recurring", "quantity": "100", "unit_price": "48",
         "price_period": "month", "discount_minor": 400_000, "amount_minor": 14_000_000,
         "phases": [
             {"starts_on": "2026-02-01", "ends_on": "2027-02-01", "quantity": "100", "unit_price": "48"},
             {"starts_on": "2027-02-01", "ends_on": "2028-02-01", "quantity": "150", "unit_price": "48"},
         ],
         "billing": {"frequency": "annual"}, "revenue_treatment": "ratable_daily"},
        {"line": 2, "product": "IMPLEMENTATION", "group": "us", "kind": "one_time", "unit_price": "12500",
         "amount_minor": 1_250_000, "billing": {"frequency": "once"}, "revenue_treatment": "point_in_time"},
        {"line": 3, "product": "API-CALLS", "group": "us", "kind": "usage", "amount_minor": 0,
         "billing": {"frequency": "monthly", "timing": "in_arrears"}, "revenue_treatment": "usage_as_billed",
         "usage": {"meter": "api_calls", "included_quantity": "100000",
                   "tiers": [{"up_to": "100000", "unit_price": "0.0020"}, {"unit_price": "0.0016"}]}},
        {"line": 4, "product": "ANALYTICS", "group": "de", "kind": "recurring", "quantity": "40", "unit_price": "18",
         "price_period": "month", "amount_minor": 1_728_000, "billing": {"frequency": "quarterly"},
         "revenue_treatment": "ratable_monthly"},
    ],
}  # fmt: skip


def draft() -> dict[str, Any]:
    """The deal as JSON, to be changed."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(_DRAFT))
    return found


def order(**changes: Any) -> OrderDocument:
    """The deal; members changed by JSON pointer: `order(**{"/currency": "EUR"})`."""
    document = draft()
    for pointer, value in changes.items():
        put(document, pointer, value)
    return read(document)


def read(document: Any) -> OrderDocument:
    return msgspec.convert(document, OrderDocument, strict=False)


def put(document: Any, pointer: str, value: Any) -> None:
    """Set a member; `-` at the end appends to a list."""
    *path, last = pointer.removeprefix("/").split("/")
    for name in path:
        document = document[int(name)] if isinstance(document, list) else document[name]
    if isinstance(document, list) and last == "-":
        document.append(value)
    elif isinstance(document, list):
        document[int(last)] = value
    else:
        document[last] = value


def at(document: Any, pointer: str) -> Any:
    """What a JSON pointer leads to; raises LookupError where it leads nowhere."""
    for name in pointer.removeprefix("/").split("/"):
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


def customers() -> dict[str, Customer]:
    """Harbor with its daughter, who pays for herself; Leeds stands alone."""
    rows = (
        Customer(key="A-1", name="Harbor Holdings Inc."),
        Customer(key="A-2", name="Harbor Logistik GmbH", parent_key="A-1", pays_for_itself=True),
        Customer(key="A-3", name="Leeds Railways plc"),
    )
    return {row.key: row for row in rows}


def world(on: dt.date = TODAY) -> World:
    """What the demo company has in master data, none of it saved."""
    found = World(on=on, customers=customers())
    for one in company.COMPANIES:
        found.entities[one.code] = LegalEntity(
            code=one.code, name=one.name, functional_currency=one.currency, country=one.country,
            erp_connection=company.ERP, allowed_currencies=list(one.currencies), regions=list(one.regions),
        )  # fmt: skip
    for good in catalogue.GOODS:
        product = Product(
            code=good.code, name=good.name, kind=good.kind, product_line=good.product_line,
            revenue_treatment=good.treatment, tax_code=good.tax_code, meter=good.meter,
        )  # fmt: skip
        found.products[good.code] = product
        found.mappings[good.code, company.ERP] = [catalogue.mapping(product, SINCE)]
    for entity, country, region in catalogue.NEXUS:
        row = TaxNexus(entity=entity, country=country, region=region, effective_from=SINCE)
        found.nexus.setdefault(entity, []).append(row)
    found.discount_limits = {"": Decimal(20), "JP": Decimal(15)}
    found.rates = rates(*(add_months(dt.date(2024, 1, 1), n) for n in range(60)))
    return found


def rates(*days: dt.date) -> dict[tuple[str, str], fx.Rates]:
    """Of these days, between all that Tern sells in and Swiss francs."""
    currencies = {"CHF", *(currency for one in company.COMPANIES for currency in one.currencies)}
    return {pair: fx.Rates([*days], [Decimal(1)] * len(days)) for pair in itertools.permutations(currencies, 2)}


def priced(found: World, since: dt.date = SINCE, until: dt.date | None = None, *products: str) -> World:
    """The same with the price list of the demo company, or of these products only."""
    for code in products or catalogue.BY_CODE:
        rows = list(catalogue.list_prices(found.products[code], since))
        for row in rows:
            row.effective_to = until
        found.list_prices[code] = rows
    return found


def price(
    found: World, product: str, currency: str, unit_price: str, since: dt.date = SINCE, until: dt.date | None = None
) -> ListPrice:
    """One line of a price list, of a product that is priced once."""
    return ListPrice(
        product=found.products[product], currency=currency, price_period="once", unit_price=Decimal(unit_price),
        effective_from=since, effective_to=until,
    )  # fmt: skip


def item(product: Product, since: dt.date, until: dt.date | None = None) -> ItemMapping:
    mapping = catalogue.mapping(product, since)
    mapping.effective_to = until
    return mapping
