"""Invoices as they are read: one, its items in pages, and what changed since."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from q2c.connectors.sandbox_kit import Answer, Record, Request, Store
from q2c.connectors.zuora.sandbox.answers import (
    ABSENT,
    GENERAL,
    INVOICES,
    Failure,
    iso,
    page_of,
    stamp,
)

COLUMNS = {"updatedDate": "updated_at", "createdDate": "created_at"}
OPERATORS = {"EQ": "=", "NE": "<>", "LT": "<", "GT": ">", "LE": "<=", "GE": ">="}
FILTERS = ("invoiceNumber", "invoiceDate", "status", "accountId", "currency", "dueDate", "targetDate")
PAGE_MAX = 50


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


def query(request: Request, store: Store) -> Answer:
    """GET /object-query/invoices: filter[], sort[], pageSize, cursor."""
    wanted = parse_qsl(urlsplit(request.url).query)
    size = int(request.query.get("pageSize") or 20)
    if not 1 <= size <= PAGE_MAX:
        return Answer(400, {"code": GENERAL * 100 + 27, "message": f"pageSize must be between 1 and {PAGE_MAX}"})
    clauses, values = [], []
    try:
        for name, text in wanted:
            if name == "filter[]":
                clause, value = _filter(text)
                clauses.append(clause)
                values += value
        column, direction = _sort([text for name, text in wanted if name == "sort[]"])
        if request.query.get("cursor"):
            clauses.append(f"({column}, seq) {'>' if direction == 'ASC' else '<'} (%s, %s)")
            values += _opened(request.query["cursor"])
    except ValueError as error:
        return Answer(400, {"code": GENERAL * 100 + 27, "message": str(error)})
    rows = store.page("invoice", " AND ".join(clauses), values, f"{column} {direction}, seq {direction}", size + 1)
    data = [{**_plain(row), "createdDate": iso(row.created_at), "updatedDate": iso(row.updated_at)} for row in rows]
    body: dict[str, Any] = {"data": data[:size]}
    if len(rows) > size:
        last = rows[size - 1]
        body["nextPage"] = _closed(last.updated_at if column == "updated_at" else last.created_at, last.seq)
    return Answer(200, body)


def _filter(text: str) -> tuple[str, list[Any]]:
    """`updatedDate.GE:2026-01-01T00:00:00Z` as SQL."""
    left, _, value = text.partition(":")
    field, _, operator = left.rpartition(".")
    if operator not in OPERATORS:
        raise ValueError(f"Invalid filter operator: {operator}")
    if field in COLUMNS:
        return f"{COLUMNS[field]} {OPERATORS[operator]} %s", [dt.datetime.fromisoformat(value)]
    if field == "invoiceNumber":
        return f"number {OPERATORS[operator]} %s", [value]
    if field not in FILTERS:
        raise ValueError(f"The field {field} is not indexed and cannot be filtered by")
    return f"body->>'{field}' {OPERATORS[operator]} %s", [value]


def _sort(given: list[str]) -> tuple[str, str]:
    if len(given) > 1:
        raise ValueError("Only one field can be sorted by")
    field, _, direction = (given[0] if given else "createdDate.ASC").rpartition(".")
    if field not in COLUMNS or direction not in ("ASC", "DESC"):
        raise ValueError(f"Invalid sort: {given[0]}")
    return COLUMNS[field], direction


def _closed(moment: dt.datetime, seq: int) -> str:
    return base64.urlsafe_b64encode(f"{moment.isoformat()}|{seq}".encode()).decode()


def _opened(cursor: str) -> list[Any]:
    try:
        moment, _, seq = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        return [dt.datetime.fromisoformat(moment), int(seq)]
    except (ValueError, binascii.Error):
        raise ValueError("Invalid cursor") from None
