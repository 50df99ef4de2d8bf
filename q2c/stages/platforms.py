"""Which connection serves what: one active billing, tax and credit connection; a ledger per entity."""

from __future__ import annotations

from q2c.models import Connection


def serving(service: str) -> str:
    """The name of the one active connection for a service; empty where none is set up."""
    return (
        Connection.objects.filter(service=service, active=True).order_by("name").values_list("name", flat=True).first()
        or ""
    )
