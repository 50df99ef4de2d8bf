"""Customers by what people call them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from q2c.models import Customer

# More customers than this share a part of a name: the list then shows those of the first ones by name.
KEYS_MAX = 500


def keys_called(text: str) -> list[str]:
    """The keys of customers whose key, or part of whose name, is `text`."""
    return list(Customer.objects.filter(called(text)).order_by("name").values_list("key", flat=True)[:KEYS_MAX])


def called(text: str) -> Q:
    """By key, or by part of the name."""
    return Q(name__icontains=text) | Q(key=text)


def names(keys: Iterable[str]) -> dict[str, str]:
    """Key → name of those that are known; one statement."""
    wanted = {key for key in keys if key}
    return dict(Customer.objects.filter(key__in=wanted).values_list("key", "name")) if wanted else {}
