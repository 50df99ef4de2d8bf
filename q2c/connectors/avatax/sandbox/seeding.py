"""What the control address puts into the account; its shape stands in the package's docstring."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from q2c.connectors.avatax.sandbox.tax import JURISDICTIONS
from q2c.connectors.sandbox_kit import Store

PARTS = {"accounts", "companies", "rates", "tax_codes", "bad_addresses", "force_timeout_s"}


def seed(store: Store, document: dict[str, Any]) -> None:
    if unknown := set(document) - PARTS:
        raise ValueError(f"{', '.join(sorted(unknown))}: there are {', '.join(sorted(PARTS))}")
    for account in document.get("accounts", []):
        _put(store, "account", str(account["account_id"]), {**account, "account_id": str(account["account_id"])})
    for company in document.get("companies", []):
        body = {"name": company["code"], "active": True, "nexus": None, **company}
        known = store.get("company", company["code"])
        body["id"] = known.body["id"] if known else store.next("company", 848_100)
        _put(store, "company", company["code"], body)
    for rate in document.get("rates", []):
        _rate(store, rate)
    for address in document.get("bad_addresses", []):
        body = {"region": "", "postal_code": "", "message": "The address is incomplete or invalid.", **address}
        _put(store, "bad_address", f"{body['country']}:{body['region']}:{body['postal_code']}", body)
    for name in ("tax_codes", "force_timeout_s"):
        if name in document:
            store.set(name, document[name])


def _rate(store: Store, rate: dict[str, Any]) -> None:
    body = {"region": "", "tax_code": "", "type": "Country", "tax_type": "Sales", **rate}
    if body["type"] not in JURISDICTIONS:
        raise ValueError(f"type {body['type']!r}: there are {', '.join(JURISDICTIONS)}")
    body["rate"] = str(Decimal(str(rate["rate"])))
    key = ":".join(str(body[name]) for name in ("country", "region", "type", "name", "tax_code"))
    _put(store, "rate", key, body)


def _put(store: Store, kind: str, key: str, body: dict[str, Any]) -> None:
    found = store.get(kind, key)
    if found is None:
        store.add(kind, key, body)
    else:
        found.body = body
        store.put(found)
