"""Invoices as they are read: one, its items in pages, and what changed since."""

from __future__ import annotations

from typing import Any

from q2c.connectors.sandbox_kit import Answer, Record, Request, Store
from q2c.connectors.zuora.sandbox.answers import ABSENT, INVOICES, Failure, page_of, stamp
from q2c.connectors.zuora.sandbox.querying import Queried

FILTERS = ("invoiceNumber", "invoiceDate", "status", "accountId", "currency", "dueDate", "targetDate")


def read(request: Request, store: Store) -> Answer:
    """GET /v1/invoices/{key}."""
    found = _found(store, request.vars["key"])
    dates = {"createdDate": stamp(store, found.created_at), "updatedDate": stamp(store, found.updated_at)}
    return Answer(200, {"success": True, **_plain(found), **dates})


def items(request: Request, store: Store) -> Answer:
    """GET /v1/invoices/{key}/items."""
    rows, following = page_of(request, _found(store, request.vars["key"]).body["items"])
    body: dict[str, Any] = {"invoiceItems": rows, "success": True}
    return Answer(200, body if following is None else {**body, "nextPage": following})


def _found(store: Store, key: str) -> Record:
    found = store.get("invoice", key) or store.by_number("invoice", key)
    if found is None:
        raise Failure(INVOICES, ABSENT, f"Cannot find entity by key: '{key}'.")
    return found


def _plain(invoice: Record) -> dict[str, Any]:
    body = {name: value for name, value in invoice.body.items() if name not in ("items", "accountNumber")}
    return {"id": invoice.id, "invoiceNumber": invoice.number, **body}


QUERIED = Queried("invoice", "invoiceNumber", FILTERS, lambda store, invoice: _plain(invoice))


def query(request: Request, store: Store) -> Answer:
    """GET /object-query/invoices."""
    return QUERIED.answer(request, store)
