"""Where people open what a platform holds of ours: on the platform, or on the page of its sandbox."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from ledger.models import JournalEntry
from q2c.connectors import registry
from q2c.models import Connection
from q2c.ui import links


def journals(entries: Iterable[JournalEntry]) -> dict[uuid.UUID, str]:
    """The address of each entry's document in its ledger; those that have none are left out. One statement."""
    posted = [entry for entry in entries if entry.posted_reference]
    names = {entry.entity.erp_connection for entry in posted}
    known = {row.name: row for row in Connection.objects.filter(name__in=names)} if names else {}
    found = {}
    for entry in posted:
        connection = known.get(entry.entity.erp_connection)
        address = _document(connection, entry.posted_reference) if connection is not None else ""
        if address:
            found[entry.id] = address
    return found


def billing_sandbox(connections: Iterable[str]) -> str:
    """The page of the sandbox in which a bill run is a person's to start; empty where these bill on a real platform."""
    urls = Connection.objects.filter(name__in=set(connections), base_url__startswith="sandbox://")
    found = urls.values_list("vendor", flat=True).first()
    return links.to("sandbox-vendor", found) if found else ""


def _document(connection: Connection, reference: str) -> str:
    if connection.base_url.startswith("sandbox://"):
        return links.to("sandbox-document", connection.vendor, reference) if connection.vendor == "netsuite" else ""
    return registry.document_address(connection.vendor, connection.base_url, reference)
