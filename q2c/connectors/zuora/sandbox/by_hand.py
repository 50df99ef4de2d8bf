"""What people in billing do to invoices by hand, and should not."""

from __future__ import annotations

import datetime as dt
from typing import Any

from q2c.connectors.sandbox_kit import Record, Store
from q2c.connectors.zuora.sandbox import accounts, callouts
from q2c.connectors.zuora.sandbox.answers import new_id, stamp, today


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
    """{"number": …, "on": date}: unposted, given another date, and posted again."""
    found = _invoice(store, document["number"])
    found.body["invoiceDate"] = dt.date.fromisoformat(document["on"]).isoformat()
    store.put(found)
    callouts.announce(store, [found])
    return {"number": found.number}


def _invoice(store: Store, number: str) -> Record:
    found = store.by_number("invoice", number)
    if found is None:
        raise LookupError(f"there is no invoice {number}")
    return found
