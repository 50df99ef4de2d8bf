"""Sums over the groups of an order, in the currency of its contract: others at the spot rate of the day it closed.

What has no rate is in no sum: the order keeps what was counted and what was not (see kept), and its pages say so. It is
not accepted like that (controls.entity.rate_known).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ledger import fx
from q2c import money
from q2c.contracts.documents import OrderDocument
from q2c.models import Order

# Minor units by currency.
Amounts = Mapping[str, int]


def worth(orders: Sequence[OrderDocument]) -> list[int]:
    """What each order comes to."""
    return converted([(order, amounts_of(order)) for order in orders])


def amounts_of(order: OrderDocument) -> Amounts:
    """Line amounts by the currency of their group; a line without a group counts in the contract's."""
    currencies = {group.key: group.currency for group in order.groups}
    found: Counter[str] = Counter()
    for line in order.lines:
        found[currencies.get(line.group, order.currency)] += line.amount_minor
    return found


@dataclass(frozen=True, slots=True)
class Portion:
    """What is in one currency, and what it counts for; `worth_minor` is None where there is no rate."""

    minor: int
    currency: str
    worth_minor: int | None
    rate: Decimal | None = None
    on: dt.date | None = None


def converted(rows: Sequence[tuple[OrderDocument, Amounts]]) -> list[int]:
    """One sum per row, without what has no rate."""
    return [sum_of(portions) for portions in portioned(rows)]


def sum_of(portions: Iterable[Portion]) -> int:
    """What they come to, without what has no rate."""
    return sum(portion.worth_minor or 0 for portion in portions)


def portioned(rows: Sequence[tuple[OrderDocument, Amounts]]) -> list[list[Portion]]:
    """Per row, each currency with its worth in that of the contract, and the rate that makes it so."""
    found = rates(rows)
    return [[_portion(order, currency, minor, found) for currency, minor in amounts.items()] for order, amounts in rows]


def rates(rows: Sequence[tuple[OrderDocument, Iterable[str]]]) -> dict[tuple[str, str], fx.Rates]:
    """Spot rates from currencies of orders to that of their contract, by (from, to)."""
    foreign = {(currency, order.currency) for order, currencies in rows for currency in currencies}
    foreign = {pair for pair in foreign if pair[0] != pair[1]}
    if not foreign:
        return {}
    days = [order.closed_on for order, _ in rows]
    return fx.load(foreign, (min(days), max(days) + dt.timedelta(days=1)))


def _portion(order: OrderDocument, currency: str, minor: int, rates: Mapping[tuple[str, str], fx.Rates]) -> Portion:
    if currency == order.currency:
        return Portion(minor, currency, minor)
    found = rates[currency, order.currency].dated(order.closed_on)
    if found is None:
        return Portion(minor, currency, None)
    on, rate = found
    return Portion(minor, currency, money.converted(minor, currency, order.currency, rate), rate, on)


def kept(order: OrderDocument, portions: Iterable[Portion]) -> list[dict[str, Any]]:
    """As Order.portions holds them: nothing where all is in the currency of the contract."""
    found = [portion for portion in portions if portion.minor or portion.currency != order.currency]
    return [_told(portion) for portion in found] if any(p.currency != order.currency for p in found) else []


def told(order: Order) -> list[dict[str, Any]]:
    """Each currency that the order is sold in, as kept() writes it; at least one."""
    return order.portions or [_told(Portion(order.total_minor, order.currency, order.total_minor))]


def of(order: Order) -> list[Portion]:
    """What an order in several currencies was counted from; empty where all is in the currency of its contract."""
    return [
        Portion(
            minor=row["amount_minor"], currency=row["currency"], worth_minor=row["worth_minor"],
            rate=Decimal(row["rate"]) if row["rate"] else None,
            on=dt.date.fromisoformat(row["rate_on"]) if row["rate_on"] else None,
        )
        for row in order.portions
    ]  # fmt: skip


def _told(portion: Portion) -> dict[str, Any]:
    return {
        "currency": portion.currency, "amount_minor": portion.minor, "worth_minor": portion.worth_minor,
        "rate": str(portion.rate) if portion.rate is not None else None,
        "rate_on": portion.on.isoformat() if portion.on is not None else None,
    }  # fmt: skip
