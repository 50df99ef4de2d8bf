"""Facts and entities for the ledger's tests, in as few words as a table allows."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

from ledger import chart
from ledger.facts import Fact, FactLine
from ledger.models import FxRate, JournalLine, LegalEntity
from q2c import keys
from tests.kept_rows import kept_rows

DAY = dt.date(2026, 10, 5)

# What lines of one kind look like: (product, product line, kind, treatment)
SUBSCRIPTION = ("PLATFORM", "subscription", "recurring", "ratable_monthly")
IMPLEMENTATION = ("ONBOARDING", "implementation", "one_time", "point_in_time")
USAGE = ("API-CALLS", "usage", "usage", "usage_as_billed")

RATES = (
    ("EUR", "USD", "2026-01-01", "1.10"),
    ("GBP", "USD", "2026-01-01", "1.271"),
    ("JPY", "USD", "2026-01-01", "0.006723"),
    ("USD", "JPY", "2026-01-01", "148.735"),
    ("USD", "EUR", "2026-01-01", "0.909"),
    ("KWD", "USD", "2026-01-01", "3.2573"),
    ("USD", "KWD", "2026-01-01", "0.30700"),
    ("EUR", "KWD", "2026-01-01", "0.33811"),
)


@kept_rows
def entities() -> dict[str, LegalEntity]:
    """A parent in dollars, and daughters in euros, yen and dinars; the chart, the year 2026 and rates."""
    us = _entity("US01", "USD", "US", None)
    found = {
        "US01": us,
        "DE01": _entity("DE01", "EUR", "DE", us),
        "JP01": _entity("JP01", "JPY", "JP", us),
        "KW01": _entity("KW01", "KWD", "KW", us),
    }
    chart.install(*found.values(), years=(2026,))
    for source, target, day, rate in RATES:
        FxRate.objects.create(from_currency=source, to_currency=target, on=day, rate=Decimal(rate))
    # A rate holds for a month and some days: the last of each pair is there anew each month.
    last = {(source, target): (dt.date.fromisoformat(day), rate) for source, target, day, rate in sorted(RATES)}
    FxRate.objects.bulk_create(
        FxRate(from_currency=source, to_currency=target, on=dt.date(year, month, 2), rate=Decimal(rate))
        for (source, target), (day, rate) in last.items()
        for year, month in ((year, month) for year in (2026, 2027) for month in range(1, 13))
        if dt.date(year, month, 2) > day
    )
    return found


def _entity(code: str, currency: str, country: str, parent: LegalEntity | None) -> LegalEntity:
    return LegalEntity.objects.create(
        code=code, name=code, functional_currency=currency, country=country, parent=parent
    )


def line(kind: tuple[str, str, str, str] = SUBSCRIPTION, net: int = 0, tax: int = 0, **more: Any) -> FactLine:
    product, product_line, name, treatment = kind
    given = {"product": product, "product_line": product_line, "kind": name, "revenue_treatment": treatment}
    return FactLine(**given | {"net_minor": net, "tax_minor": tax} | more)


def fact(*lines: FactLine, **more: Any) -> Fact:
    """An invoice of US01 on 5 October unless said otherwise; lines are numbered as they come."""
    numbered = tuple(FactLine(**_fields(one) | {"line": number}) for number, one in enumerate(lines, 1))
    given: dict[str, Any] = {
        "event_id": keys.new_id(),
        "event_type": "InvoiceIssued",
        "entity_code": "US01",
        "effective_on": DAY,
        "currency": "USD",
        "subledger": "receivables",
        "journal": "SALES",
        "business_document": "invoice:INV-001",
        "customer": "ACME",
        "memo": "Invoice INV-001",
        "correlation_id": keys.new_id(),
        "lines": numbered,
    }
    return Fact(**given | more)


def _fields(one: FactLine) -> dict[str, Any]:
    return {name: getattr(one, name) for name in FactLine.__slots__}


def invoice(**more: Any) -> Fact:
    """A year's subscription for 1,200.00 and implementation for 500.00, with 8.25 % tax."""
    return fact(line(SUBSCRIPTION, 120_000, 9_900), line(IMPLEMENTATION, 50_000, 4_125), **more)


def receipt(amount: int, **more: Any) -> Fact:
    return fact(FactLine(net_minor=amount), **{"event_type": "PaymentReceived", "journal": "CASH"} | more)


def application(amount: int, **more: Any) -> Fact:
    return fact(FactLine(net_minor=amount), **{"event_type": "PaymentMatched", "journal": "CASH"} | more)


def release(amount: int, **more: Any) -> Fact:
    """A month's revenue."""
    given = {"event_type": "RevenueDue", "subledger": "revenue", "journal": "REVENUE"}
    return fact(line(SUBSCRIPTION, amount), **given | more)


def booked(entry_id: uuid.UUID | None) -> list[tuple[str, int]]:
    """[(account role, amount)] in the order of the lines."""
    rows = JournalLine.objects.filter(entry=entry_id).order_by("line")
    return list(rows.values_list("account__role", "amount_minor"))
