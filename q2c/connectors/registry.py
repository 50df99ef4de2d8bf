"""Which vendors there are, and how a connector is opened. A new connector is one folder and one row."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.pushes import References


@dataclass(frozen=True, slots=True)
class Vendor:
    """`connector` is module:Class; `services` are what a connection of it may serve.

    `pushes` is module:function where the platform may call us (connectors/pushes.py); `documents` one that says where
    a person opens a document there: (base address, reference) → address or empty.
    """

    title: str
    connector: str
    services: tuple[str, ...]
    pushes: str = ""
    documents: str = ""


CONNECTORS: dict[str, Vendor] = {
    "salesforce": Vendor(
        "Salesforce", "q2c.connectors.salesforce.client:Salesforce", ("crm",),
        pushes="q2c.connectors.salesforce.webhook:references",
    ),
    "zuora": Vendor(
        "Zuora", "q2c.connectors.zuora.client:Zuora", ("billing",), pushes="q2c.connectors.zuora.webhook:references"
    ),
    "netsuite": Vendor(
        "Oracle NetSuite", "q2c.connectors.netsuite.client:NetSuite", ("journals",),
        documents="q2c.connectors.netsuite.addresses:document",
    ),
    "tryton": Vendor("Tryton", "q2c.connectors.tryton.client:Tryton", ("journals",)),
    "avatax": Vendor("Avalara AvaTax", "q2c.connectors.avatax.client:AvaTax", ("tax",)),
    "credit": Vendor("Credit service", "q2c.connectors.credit.client:CreditService", ("credit",)),
}  # fmt: skip
PUSHING = tuple(name for name, vendor in CONNECTORS.items() if vendor.pushes)

_lock = threading.Lock()
_open: dict[str, tuple[ConnectionConfig, Any]] = {}


def open_connector(config: ConnectionConfig) -> Any:
    """The connector of a connection, one per process; opened anew when its configuration has changed."""
    with _lock:
        held = _open.get(config.name)
        if held is not None and held[0] == config:
            return held[1]
        connector = _named(CONNECTORS[config.vendor].connector)(config)
        _open[config.name] = (config, connector)
    return connector


def references_of(vendor: str) -> References:
    """What reads the pushes of a vendor that pushes."""
    reader: References = _named(CONNECTORS[vendor].pushes)
    return reader


def document_address(vendor: str, base_url: str, reference: str) -> str:
    """Where a person opens a document on the platform; empty where nobody has said how."""
    path = CONNECTORS[vendor].documents if vendor in CONNECTORS else ""
    return str(_named(path)(base_url, reference)) if path else ""


def _named(path: str) -> Any:
    """module:name."""
    module, name = path.split(":")
    return getattr(import_module(module), name)


def close_all() -> None:
    """Forget every open connector; tests and reloads begin afresh."""
    with _lock:
        _open.clear()
