"""What people type that is no identifier: part of a customer's name, an amount, the number of a replay or a problem.

Orders and invoices are looked up by their exact amount; cases by amount are the queue's own filter. Journals are found
by the invoice that they book.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Q

from exceptions.models import Problem, ReplayBatch
from q2c import money
from q2c.models import Customer, Invoice, Order
from q2c.reading import accounts, customers
from q2c.reading.accounts import Account, Records

MOST = 20
_NUMBER = re.compile(r"(?P<letter>[RP])-(?P<number>[0-9]{1,15})", re.IGNORECASE)


@dataclass(kw_only=True, slots=True)
class Hits:
    """Rows of each noun, the newest first, at most MOST; `more` says which of them there are more of."""

    replay: ReplayBatch | None = None
    problem: Problem | None = None
    customers: list[Customer] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)
    amount: str = ""
    account: Records = field(default_factory=Records)
    more: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.replay or self.problem or self.customers or self.orders or self.invoices or self.account)


def hits(user: Any, query: str, named: Sequence[Account] = ()) -> Hits:
    """What this person may see of it, and of the accounts it names. A handful of look-ups, each by an index."""
    query = query.strip()[:200]
    found = Hits()
    if not query or not query.isprintable():
        return found
    if numbered := _NUMBER.fullmatch(query):
        number = int(numbered["number"])
        if numbered["letter"].upper() == "R":
            found.replay = ReplayBatch.objects.visible_to(user).filter(number=number).first()
        else:
            found.problem = Problem.objects.visible_to(user).filter(number=number).first()
        return found
    if wanted := money.typed(query):
        units, currency = wanted
        found.amount = f"{units:f}{currency}"
        chosen = _of_amount(units, currency)
        found.orders = _some(found, "orders", Order.objects.visible_to(user).filter(chosen).defer("document"))
        invoices = Invoice.objects.visible_to(user).select_related("order").defer("order__document")
        found.invoices = _some(found, "invoices", invoices.filter(chosen))
    if named or not wanted:
        chosen = Q(key__in=[account.payer for account in named]) if named else customers.called(query)
        called = Customer.objects.visible_to(user).filter(chosen).order_by("name", "key")
        found.customers = _some(found, "customers", called)
    by_name = [Account(customer.key) for customer in found.customers]
    found.account = accounts.records(user, named or by_name)
    return found


def _some(found: Hits, noun: str, rows: Any) -> list[Any]:
    rows = list((rows if rows.ordered else rows.order_by("-id"))[: MOST + 1])
    if len(rows) > MOST:
        found.more.add(noun)
    return rows[:MOST]


def _of_amount(units: Decimal, currency: str) -> Q:
    """Exactly so much, in each currency by its own decimals; without a sign also as much of a credit."""
    chosen = Q(pk__in=[])
    for exponent in sorted(set(money.EXPONENTS.values())):
        minor = units.scaleb(exponent)
        codes = [code for code, places in money.EXPONENTS.items() if places == exponent and currency in ("", code)]
        if codes and minor == minor.to_integral_value():
            chosen |= Q(total_minor__in={int(minor), -abs(int(minor))}, currency__in=codes)
    return chosen
