"""Journals and customers of Tern Systems GmbH, and a connection to the Tryton that keeps its books."""

from __future__ import annotations

import datetime as dt
from typing import Any

from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.tryton.client import Tryton
from q2c.contracts.documents import CustomerDocument, JournalDocument, JournalLine
from tests.connectors.control import sandbox_url
from tests.connectors.tryton import erp

DIMENSIONS = {"cost_center": "CC-100", "product_line": "subscription", "region": "EMEA"}
RATE = 92  # cents of a euro for a dollar


def connect(**more: Any) -> Tryton:
    """Through the gate, so that switches strike."""
    config: dict[str, Any] = {
        "name": "erp-de", "vendor": "tryton", "base_url": sandbox_url("tryton"), "settle_s": 0.2,
        "credentials": {"key": erp.tryton().made()["key"]}, **more,
    }  # fmt: skip
    return Tryton(ConnectionConfig(**config))


def customer(key: str = "C-1", **more: Any) -> CustomerDocument:
    given: dict[str, Any] = {
        "key": key, "name": f"Customer {key}", "parent": None, "currency": "EUR", "legal_entity": "DE", "address": None,
        "email": f"{key.lower()}@example.com",
    }  # fmt: skip
    return CustomerDocument(**{**given, **more})


def sale(minor: int, currency: str) -> tuple[JournalLine, ...]:
    """Receivable against deferred revenue, which says whose it is, in the journal's currency and in euros."""
    own = minor * RATE // 100 if currency == "USD" else minor
    return (
        JournalLine(line=1, account="1100", amount_minor=minor, functional_minor=own, customer="C-1", memo="INV-1"),
        JournalLine(
            line=2, account="2410", amount_minor=-minor, functional_minor=-own, dimensions=DIMENSIONS, customer="C-1"
        ),
    )


def journal(key: str, minor: int = 125_000, currency: str = "EUR", **more: Any) -> JournalDocument:
    given: dict[str, Any] = {
        "key": key.ljust(20, "x")[:20], "number": "DE01-2026-000001", "entity": "DE", "currency": currency,
        "effective_on": dt.date(2026, 3, 10), "period": "2026-03", "memo": "INV-1 Customer C-1",
        "lines": sale(minor, currency), "functional_currency": "EUR",
    }  # fmt: skip
    return JournalDocument(**{**given, **more})
