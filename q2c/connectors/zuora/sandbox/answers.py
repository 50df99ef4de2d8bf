"""Zuora's bodies: success:false inside 200, reasons with codes, dates as it writes them; kept answers by key."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any
from zoneinfo import ZoneInfo

from q2c import keys
from q2c.connectors.sandbox_kit import Answer, Refused, Request, Store
from q2c.connectors.sandbox_kit.app import Handler

# Six digits say which resource, the last two of a code what kind of failure.
ACCOUNTS, ORDERS, INVOICES, CATALOG, USAGE, GENERAL = 500000, 531003, 532000, 533000, 534000, 900000
INVALID, MISSING, RULE, ABSENT, LOCKED, INTERNAL, LIMIT, MALFORMED = 20, 22, 30, 40, 50, 60, 70, 90
KEPT_S = 24 * 3600


class Failure(Exception):
    """A business failure: what the handler wrote is undone, and success:false is answered."""

    def __init__(self, resource: int, category: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = resource * 100 + category, message

    def reason(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message}


def failed(reasons: list[dict[str, Any]], status: int = 200) -> Answer:
    process = keys.new_id().hex[16:].upper()
    body = {"success": False, "processId": process, "requestId": str(keys.new_id()), "reasons": reasons}
    return Answer(status, body)


def said(code: int, message: str, status: int = 200) -> Answer:
    return failed([{"code": code, "message": message}], status)


def new_id() -> str:
    """32 hexadecimal digits, as every Zuora record has."""
    return keys.new_id().hex


def zone(store: Store) -> ZoneInfo:
    """The tenant's time zone, in which the older addresses write instants."""
    return ZoneInfo(str(store.setting("zone", "UTC")))


def stamp(store: Store, moment: dt.datetime) -> str:
    return moment.astimezone(zone(store)).strftime("%Y-%m-%d %H:%M:%S")


def iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def today(store: Store) -> dt.date:
    return store.now().astimezone(zone(store)).date()


def object_of(request: Request) -> dict[str, Any]:
    try:
        found = request.json()
    except (ValueError, RecursionError):
        raise Failure(GENERAL, MALFORMED, "Malformed JSON request body") from None
    if not isinstance(found, dict):
        raise Failure(GENERAL, MALFORMED, "The request body must be a JSON object")
    return found


def day_of(value: Any, name: str, resource: int = ORDERS) -> dt.date:
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        raise Failure(resource, INVALID, f"'{name}' should be a date of the form yyyy-mm-dd") from None


def answered(handler: Handler) -> Handler:
    """A handler with Zuora's failures and, where a key was sent, its memory of 24 hours, failures included."""

    def run(request: Request, store: Store) -> Answer:
        key = request.headers.get("idempotency-key", "").strip('"')
        if not key:
            return _tried(handler, request, store)
        if request.method not in ("POST", "PATCH"):
            text = f"Request method '{request.method}' not supported with Idempotency-Key header"
            raise Refused(said(GENERAL * 100 + INVALID, text, 400))
        known = store.get("idempotency", key, lock=True, hidden=True)
        print_ = hashlib.sha256(f"{request.method} {request.path}\n".encode() + request.body).hexdigest()
        if known and (store.now() - known.created_at).total_seconds() < KEPT_S:
            if known.body["print"] != print_:
                raise Refused(said(GENERAL * 100 + RULE, "The idempotency key was used with another request", 422))
            return Answer(known.body["status"], known.body["body"])
        if known:
            store.remove("idempotency", key)
        answer = _tried(handler, request, store)
        store.add("idempotency", key, {"print": print_, "status": answer.status, "body": answer.body})
        return answer

    return run


def _tried(handler: Handler, request: Request, store: Store) -> Answer:
    try:
        with store.connection.transaction():
            return handler(request, store)
    except Failure as failure:
        # Tenants differ: most answer 200 to a failure, newer ones may answer 400 with the same body.
        return failed([failure.reason()], int(store.setting("failure_status", 200)))


def page_of(request: Request, rows: list[Any], size_max: int = 40) -> tuple[list[Any], str | None]:
    """One page of a v1 list, and the absolute address of the next."""
    size = min(_count(request, "pageSize", 10), size_max)
    page = _count(request, "page", 1)
    shown = rows[(page - 1) * size : page * size]
    if page * size >= len(rows):
        return shown, None
    others = "".join(f"{k}={v}&" for k, v in request.query.items() if k not in ("page", "pageSize"))
    return shown, f"{request.base_url}{request.path}?{others}page={page + 1}&pageSize={size}"


def _count(request: Request, name: str, default: int) -> int:
    given = request.query.get(name, "")
    if not given:
        return default
    if not given.isdigit() or not int(given):
        raise Failure(GENERAL, 27, f"Invalid parameter(s): '{name}'.")
    return int(given)
