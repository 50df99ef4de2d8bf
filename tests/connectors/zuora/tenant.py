"""The tenant that tests talk to, and documents to send it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from q2c import keys
from q2c.connectors.outcomes import Accepted, Outcome, Posted
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.zuora.client import Zuora
from q2c.contracts.documents import (
    Address,
    Billing,
    CustomerDocument,
    PriceTier,
    SubscriptionCharge,
    SubscriptionDocument,
    UsageTerms,
)
from q2c.stages.controls.calendar import whole_months
from tests.connectors.control import Control

CLIENT = {"client_id": "5d6b3c1e-0000-4000-8000-000000000001", "client_secret": "a secret of the tests"}
PRODUCTS = [
    {"sku": "IMPL", "name": "Implementation", "tax_code": "SERVICE"},
    {"sku": "PLAT", "name": "Platform", "tax_code": "SAAS"},
    {"sku": "API", "name": "API calls", "tax_code": "SAAS", "uom": "calls"},
]
RATES = [
    {"country": "DE", "name": "VAT", "rate": "0.19"},
    {"country": "US", "region": "CA", "name": "CA state tax", "rate": "0.06"},
    {"country": "US", "region": "CA", "name": "CA county tax", "rate": "0.0125"},
    {"country": "US", "region": "CA", "name": "CA state tax", "tax_code": "SAAS", "rate": "0"},
]


class Tenant:
    def __init__(self) -> None:
        self.control = Control("zuora")
        self.control.reset()
        self.control.seed(clients=[CLIENT], products=PRODUCTS, tax_rates=RATES, job_s=0)

    def config(self, **more: Any) -> ConnectionConfig:
        given: dict[str, Any] = {
            "name": "zuora-test", "vendor": "zuora", "base_url": self.control.url, "credentials": CLIENT,
            "time_limit_s": 5.0, "settle_s": 1.0,
        }  # fmt: skip
        return ConnectionConfig(**{**given, **more})

    def client(self, **options: Any) -> Zuora:
        return Zuora(self.config(options={"product_field": "sku", **options}))

    def run(self, until: str, **more: Any) -> dict[str, Any]:
        return self.control.do("bill-run", until=until, **more)


def customer(key: str = "ACME-EUR", **more: Any) -> CustomerDocument:
    given: dict[str, Any] = {
        "key": key, "name": "Acme GmbH", "parent": None, "currency": "EUR", "legal_entity": "DE", "email": "ap@acme.test",
        "address": Address(country="DE", city="Berlin", postal_code="10115", line1="Invalidenstr. 1"), "crm_id": "ACME",
    }  # fmt: skip
    return CustomerDocument(**{**given, **more})


def charge(line: int, product: str, **more: Any) -> SubscriptionCharge:
    given: dict[str, Any] = {
        "line": line, "product": product, "kind": "recurring", "phase": 1, "starts_on": dt.date(2026, 1, 1),
        "ends_on": dt.date(2027, 1, 1), "quantity": Decimal(10), "unit_price": Decimal(100), "price_period": "month",
        "amount_minor": 1_200_000, "billing": Billing(frequency="monthly"),
    }  # fmt: skip
    given |= more
    return SubscriptionCharge(**{"months": whole_months(given["starts_on"], given["ends_on"]) or 0, **given})


def subscription(*charges: SubscriptionCharge, **more: Any) -> SubscriptionDocument:
    given: dict[str, Any] = {
        "key": "S-SO-1001-DE", "order_number": "SO-1001", "group": "DE", "account": "ACME-EUR", "legal_entity": "DE",
        "currency": "EUR", "ordered_on": dt.date(2025, 12, 15), "starts_on": dt.date(2026, 1, 1), "term_months": 12,
        "ship_to": Address(country="DE"), "charges": charges or (charge(1, "PLAT"),),
    }  # fmt: skip
    return SubscriptionDocument(**{**given, **more})


def overage(**more: Any) -> UsageTerms:
    tiers = (PriceTier(up_to="500", unit_price="0.10"), PriceTier(unit_price="0.05"))
    return UsageTerms(**{"meter": "calls", "included_quantity": "1000", "tiers": tiers, **more})


def key(*parts: object) -> str:
    return keys.idempotency_key(*parts)


def finished(client: Zuora, outcome: Outcome, step_key: str) -> Outcome:
    """The job of an order, polled to its end."""
    for _ in range(100):
        if not isinstance(outcome, Accepted):
            break
        outcome = client.poll(outcome.handle, step_key)
    return outcome


def provisioned(client: Zuora, *documents: SubscriptionDocument, activate: bool = True) -> None:
    """Account, order and every phase activated on its day."""
    for document in documents:
        assert isinstance(client.put_customer(customer(document.account, currency=document.currency), key("c")), Posted)
        step_key = key("s", document.key)
        outcome = finished(client, client.create_subscription(document, step_key), step_key)
        assert isinstance(outcome, Posted), outcome
        for phase, day in sorted({(each.phase, each.starts_on) for each in document.charges}) if activate else ():
            assert isinstance(client.activate(document.key, phase, day, key("a", document.key, phase)), Posted)
