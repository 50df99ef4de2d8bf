"""Which connection serves what: one active billing, tax and credit connection; a ledger per entity."""

from __future__ import annotations

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
