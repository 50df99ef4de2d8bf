"""Which connection serves what: one active billing, tax and credit connection; a ledger per entity."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from q2c.connectors import registry
from q2c.models import Connection


def serving(service: str) -> str:
    """The name of the one active connection for a service; empty where none is set up."""
    return (
        Connection.objects.filter(service=service, active=True).order_by("name").values_list("name", flat=True).first()
        or ""
    )


def port(service: str) -> Any:
    """The connector of serving(), for what it knows without asking its platform; None where there is none."""
    row = Connection.objects.filter(service=service, active=True).order_by("name").first()
    return registry.open_connector(row.config()) if row and row.vendor in registry.CONNECTORS else None


def settle_s(names: Collection[str]) -> dict[str, float]:
    """By connection, seconds after which a write that left no trace was surely not done. At most one statement."""
    rows = Connection.objects.filter(name__in=names).values_list("name", "time_limit_s", "settle_s") if names else ()
    return {name: limit + settle for name, limit, settle in rows}
