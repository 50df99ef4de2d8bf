"""Invoices as lists want them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.db.models import Case, Prefetch, Q, QuerySet, Value, When

from q2c import bulk
from q2c.models import Invoice, Order
from q2c.reading import fiscal, orders
from q2c.reading.wanted import Wanted

STATES = ("issued", "recorded", "posted", "partly_paid", "paid", "voided", "credited")
SORTS = {
    "issued": "issued_on",
    "number": "number",
    "customer": "customer_name",
    "amount": "total_minor",
    "due": "due_on",
}


# From one to the next by the index: a DISTINCT would read all of it.
_SOURCES = """
WITH RECURSIVE told AS (
  (SELECT source FROM q2c_invoice ORDER BY source LIMIT 1)
  UNION ALL SELECT (SELECT i.source FROM q2c_invoice i WHERE i.source > t.source ORDER BY i.source LIMIT 1)
  FROM told t WHERE t.source IS NOT NULL
)
SELECT source FROM told WHERE source IS NOT NULL
"""


def sources() -> list[str]:
    """The systems that told of any. One statement."""
    return [source for (source,) in bulk.execute(_SOURCES, [])]


def found(user: Any, wanted: Wanted) -> QuerySet[Invoice]:
    """The invoices that the user may see and asked for, with the number of their order, in no order yet."""
    # Looked up for the page alone: a join would be made for every row before a sort.
    numbers = Prefetch("order", Order.objects.only("id", "number"))
    rows = Invoice.objects.visible_to(user).prefetch_related(numbers)
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.entity:
        rows = rows.filter(entity=wanted.entity)
    if wanted.source:
        rows = rows.filter(source=wanted.source)
    if wanted.currency:
        rows = rows.filter(currency=wanted.currency)
    if wanted.period:
        rows = rows.filter(_issued_in(wanted.period))
    if wanted.since:
        rows = rows.filter(issued_on__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(issued_on__lte=wanted.until)
    return rows.filter(pk__in=called(wanted.q)) if wanted.q else rows


# What one adds to what invoices are worth: one whose journal was reversed stands in no books, and adds nothing.
WORTH = Case(When(reversed_at__isnull=True, then="total_minor"), default=Value(0))


def _issued_in(period: str) -> Q:
    """On a day that is in its own entity's period of this name."""
    found = Q(pk=None)
    for (starts_on, ends_on), codes in fiscal.days_of(period).items():
        found |= Q(issued_on__gte=starts_on, issued_on__lt=ends_on, entity__in=codes)
    return found


def called(text: str) -> QuerySet[Any]:
    """The ids by number from its beginning, by its order's number, or by customer. Each part has its own index."""
    by_number = Invoice.objects.filter(Q(number__startswith=text) | Q(number__startswith=text.upper()))
    of_orders = Invoice.objects.filter(order__in=Order.objects.filter(orders.called(text)).values("id"))
    return by_number.values("id").union(of_orders.values("id"))


def named_as(invoices: Iterable[Invoice], column: str = "business_key", entity: str = "entity", kind: str = "") -> Q:
    """Rows that bear the number of any of these, after `kind`: it is its legal entity's own, and another's may be the
    same. What has no entity yet may be any entity's."""
    numbers: defaultdict[str, set[str]] = defaultdict(set)
    for invoice in invoices:
        numbers[invoice.entity].add(f"{kind}{invoice.number}")
    found = Q(pk=None)
    for code, its in numbers.items():
        found |= Q(**{f"{entity}__in": (code, ""), f"{column}__in": its})
    return found
