"""Documents and envelopes as upstream systems send them."""

from __future__ import annotations

import copy
import json
from typing import Any

ORDER: dict[str, Any] = {
    "order_number": "SO-1001",
    "customer": "C-ACME",
    "contract_entity": "US",
    "currency": "USD",
    "closed_on": "2026-01-05",
    "starts_on": "2026-02-01",
    "term_months": 12,
    "parties": [
        {"key": "C-ACME", "name": "Acme Inc", "pays_for_itself": True,
         "billing_address": {"country": "US", "region": "CA"}}
    ],
    "groups": [
        {"key": "us", "region": "NA", "bill_to": "C-ACME", "currency": "USD",
         "ship_to": {"country": "US", "region": "CA", "city": "Oakland", "postal_code": "94607"}}
    ],
    "lines": [
        {"line": 1, "product": "P-SEATS", "group": "us", "kind": "recurring", "quantity": "10",
         "unit_price": "100", "price_period": "month", "amount_minor": 1_200_000,
         "billing": {"frequency": "monthly"}, "revenue_treatment": "ratable_daily"},
        {"line": 2, "product": "P-SETUP", "group": "us", "kind": "one_time", "quantity": "1",
         "unit_price": "500", "price_period": "once", "amount_minor": 50_000,
         "billing": {"frequency": "once"}, "revenue_treatment": "point_in_time"},
    ],
}  # fmt: skip

INVOICE: dict[str, Any] = {
    "invoice_number": "INV-1",
    "billing_reference": "z-1",
    "account": "C-ACME-USD",
    "order_number": "SO-1001",
    "group": "us",
    "legal_entity": "US",
    "currency": "USD",
    "issued_on": "2026-02-01",
    "due_on": "2026-03-03",
    "lines": [
        {"line": 1, "product": "P-SEATS", "kind": "recurring", "net_minor": 100_000, "tax_minor": 8_500,
         "service_starts_on": "2026-02-01", "service_ends_on": "2026-03-01"}
    ],
    "total_minor": 108_500,
}  # fmt: skip


def order(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(ORDER) | changes


def invoice(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(INVOICE) | changes


def event(id_: str = "evt-1", data: Any = None, **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id_,
        "source": "webshop",
        "type": "OrderReceived",
        "time": "2026-01-05T12:00:00Z",
        "data": order() if data is None else data,
    } | changes


def line(id_: str = "evt-1", **changes: Any) -> bytes:
    return json.dumps(event(id_, **changes)).encode()
