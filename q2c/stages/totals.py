"""Sums over the groups of an order, in the currency of its contract: others at the spot rate of the day it closed."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ledger import fx
from q2c import money
from q2c.contracts.documents import OrderDocument

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
    """One sum per row. An amount for which there is no rate is left out: the books will ask for that rate."""
    return [sum(portion.worth_minor or 0 for portion in portions) for portions in portioned(rows)]


def portioned(rows: Sequence[tuple[OrderDocument, Amounts]]) -> list[list[Portion]]:
    """Per row, each currency with its worth in that of the contract, and the rate that makes it so."""
    foreign = {(currency, order.currency) for order, amounts in rows for currency in amounts} - {
        (order.currency, order.currency) for order, _ in rows
    }
    rates: Mapping[tuple[str, str], fx.Rates] = {}
    if foreign:
        days = [order.closed_on for order, _ in rows]
        rates = fx.load(foreign, (min(days), max(days) + dt.timedelta(days=1)))
    return [[_portion(order, currency, minor, rates) for currency, minor in amounts.items()] for order, amounts in rows]


def _portion(order: OrderDocument, currency: str, minor: int, rates: Mapping[tuple[str, str], fx.Rates]) -> Portion:
    if currency == order.currency:
        return Portion(minor, currency, minor)
    found = rates[currency, order.currency].dated(order.closed_on)
    if found is None:
        return Portion(minor, currency, None)
    on, rate = found
    return Portion(minor, currency, money.converted(minor, currency, order.currency, rate), rate, on)
