"""Sums over the groups of an order, in the currency of its contract: others at the spot rate of the day it closed."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence

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


def converted(rows: Sequence[tuple[OrderDocument, Amounts]]) -> list[int]:
    """One sum per row. An amount for which there is no rate is left out: the books will ask for that rate."""
    foreign = {(currency, order.currency) for order, amounts in rows for currency in amounts} - {
        (order.currency, order.currency) for order, _ in rows
    }
    if not foreign:
        return [sum(amounts.values()) for _, amounts in rows]
    days = [order.closed_on for order, _ in rows]
    rates = fx.load(foreign, (min(days), max(days) + dt.timedelta(days=1)))
    return [_sum(order, amounts, rates) for order, amounts in rows]


def _sum(order: OrderDocument, amounts: Amounts, rates: Mapping[tuple[str, str], fx.Rates]) -> int:
    total = 0
    for currency, minor in amounts.items():
        if currency == order.currency:
            total += minor
        elif rate := rates[currency, order.currency].on(order.closed_on):
            total += money.converted(minor, currency, order.currency, rate)
    return total
