"""Orders as lists want them."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from q2c.models import Order
from q2c.reading import customers, fiscal
from q2c.reading.wanted import Wanted, day_begins, day_ends

STATES = (
    "received", "awaiting_approval", "accepted", "provisioning", "active", "completed", "rejected", "cancelled",
)  # fmt: skip
# What a list may be sorted by, and the column behind.
SORTS = {
    "received": "received_at",
    "number": "number",
    "customer": "customer_name",
    "amount": "total_minor",
    "starts": "starts_on",
}


def found(user: Any, wanted: Wanted) -> QuerySet[Order]:
    """The orders that the user may see and asked for, in no order yet, without their documents."""
    rows = Order.objects.visible_to(user).defer("document", "controls")
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.entity:
        rows = rows.filter(contract_entity=wanted.entity)
    if wanted.currency:
        rows = rows.filter(in_currency(wanted.currency))
    if wanted.period:
        rows = rows.filter(_received_in(wanted.period))
    if wanted.since:
        rows = rows.filter(received_at__gte=day_begins(wanted.since))
    if wanted.until:
        rows = rows.filter(received_at__lt=day_ends(wanted.until))
    return rows.filter(called(wanted.q)) if wanted.q else rows


def _received_in(period: str) -> Q:
    """On a day, of UTC, that is in the period of this name of the entity that has the contract."""
    found = Q(pk=None)
    for (starts_on, ends_on), codes in fiscal.days_of(period).items():
        within = Q(received_at__gte=day_begins(starts_on), received_at__lt=day_begins(ends_on))
        found |= within & Q(contract_entity__in=codes)
    return found


def in_currency(code: str) -> Q:
    """Whose contract is in it, or any of whose groups is invoiced in it."""
    return Q(currency=code) | (~Q(portions=[]) & Q(portions__contains=[{"currency": code}]))


def called(text: str) -> Q:
    """By number from its beginning, or by customer."""
    by_number = Q(number__startswith=text) | Q(number__startswith=text.upper())
    return by_number | Q(customer_key__in=[*customers.keys_called(text), text])
