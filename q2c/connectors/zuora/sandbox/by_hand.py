"""What people in billing do by hand: to invoices, and to a subscription. Raises ValueError where Zuora refuses it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from q2c.connectors.sandbox_kit import Record, Store
from q2c.connectors.zuora.sandbox import accounts, callouts, orders
from q2c.connectors.zuora.sandbox.answers import Failure, new_id, stamp, today

_OVER = ("Canceled", "Reversed")


def copy_invoice(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """{"number": …}: another invoice for the same charges, posted today."""
    found = _invoice(store, document["number"])
    on = today(store)
    days = dt.date.fromisoformat(found.body["dueDate"]) - dt.date.fromisoformat(found.body["invoiceDate"])
    body = {
        **found.body, "invoiceDate": on.isoformat(), "dueDate": (on + days).isoformat(), "source": "Manual",
        "sourceId": None, "postedDate": stamp(store, store.now()), "balance": found.body["amount"],
        "items": [{**item, "id": new_id()} for item in found.body["items"]],
    }  # fmt: skip
    made = store.add("invoice", new_id(), body, number=f"INV{store.next('invoice'):08d}")
    accounts.owes(store, [made])
    callouts.announce(store, [made])
    return {"number": made.number}


def redate_invoice(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """{"number": …, "on": date}: unposted, given another date, and posted again. Its due date moves with it."""
    found = _standing(store, document["number"])
    on, was = dt.date.fromisoformat(document["on"]), dt.date.fromisoformat(found.body["invoiceDate"])
    due_on = dt.date.fromisoformat(found.body["dueDate"]) + (on - was)
    found.body |= {"invoiceDate": on.isoformat(), "dueDate": due_on.isoformat()}
    store.put(found)
    callouts.announce(store, _posted(found))
    return {"number": found.number}


def void_invoice(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """{"number": …}: cancelled, and owed no more."""
    found = _standing(store, document["number"])
    announced = _posted(found)
    if announced:
        accounts.owes_no_more(store, found)
    found.body |= {"status": "Canceled", "balance": Decimal(0)}
    store.put(found)
    callouts.announce(store, announced)
    return {"number": found.number}


def cancel_subscription(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """{"number": …, "on": date}: by an order, as of that day; what is billed beyond it the next bill run credits."""
    on = dt.date.fromisoformat(document["on"])
    found = _subscription(store, document["number"])
    try:
        made = orders.cancelling(store, found, on, today(store))
    except Failure as failure:
        raise ValueError(failure.message) from None
    return {"number": found.number, "order": made.number}


def keep_subscription(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """{"number": …}: the order that cancels it is deleted, so it goes on; not once that was credited."""
    found = _subscription(store, document["number"])
    try:
        return {"number": found.number, "order": orders.take_back(store, found)}
    except Failure as failure:
        raise ValueError(failure.message) from None


def _subscription(store: Store, number: str) -> Record:
    found = store.by_number("subscription", number, lock=True)
    if found is None:
        raise LookupError(f"there is no subscription {number}")
    return found


def _posted(invoice: Record) -> list[Record]:
    """Of drafts nobody is told."""
    return [invoice] if invoice.body["status"] == "Posted" else []


def _standing(store: Store, number: str) -> Record:
    """Raises ValueError for one that was cancelled or reversed."""
    found = _invoice(store, number)
    if found.body["status"] in _OVER:
        raise ValueError(f"the invoice {number} is {found.body['status']} already")
    return found


def _invoice(store: Store, number: str) -> Record:
    found = store.by_number("invoice", number, lock=True)
    if found is None:
        raise LookupError(f"there is no invoice {number}")
    return found
