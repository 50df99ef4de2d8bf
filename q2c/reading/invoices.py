"""Invoices as lists want them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from q2c.models import Invoice, Order
from q2c.reading import orders
from q2c.reading.wanted import Wanted

STATES = ("issued", "recorded", "posted", "partly_paid", "paid", "voided", "credited")
SORTS = {
    "issued": "issued_on",
    "number": "number",
    "customer": "customer_name",
    "amount": "total_minor",
    "due": "due_on",
}


def found(user: Any, wanted: Wanted) -> QuerySet[Invoice]:
    """The invoices that the user may see and asked for, with the number of their order, in no order yet."""
    rows = Invoice.objects.visible_to(user).select_related("order").defer("order__document", "order__controls")
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.entity:
        rows = rows.filter(entity=wanted.entity)
    if wanted.currency:
        rows = rows.filter(currency=wanted.currency)
    if wanted.since:
        rows = rows.filter(issued_on__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(issued_on__lte=wanted.until)
    return rows.filter(called(wanted.q)) if wanted.q else rows


def called(text: str) -> Q:
    """By number from its beginning, by its order's number, or by customer."""
    by_number = Q(number__startswith=text) | Q(number__startswith=text.upper())
    return by_number | Q(order__in=Order.objects.filter(orders.called(text)).values("id"))
