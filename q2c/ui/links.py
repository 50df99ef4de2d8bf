"""Addresses of pages and of lists with their filter; empty where a page is not installed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse


def to(view: str, *args: Any, **query: Any) -> str:
    """to("order", order.id), to("queue", q="entity:DE"): empty values are left out, several repeated."""
    try:
        address = reverse(view, args=args)
    except NoReverseMatch:
        return ""
    given = urlencode({key: value for key, value in query.items() if value not in ("", None)}, doseq=True)
    return f"{address}?{given}" if given else address
