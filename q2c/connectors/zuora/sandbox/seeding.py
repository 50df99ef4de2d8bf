"""What the control address puts into the tenant, and does in it."""

from __future__ import annotations

from typing import Any

from q2c.connectors.sandbox_kit import Store
from q2c.connectors.zuora.sandbox import accounts, callouts, catalog, usage
from q2c.connectors.zuora.sandbox.answers import Failure, new_id, stamp

SETTINGS = ("zone", "job_s", "token_life_s", "failure_status", "required_dates", "callout")


def seed(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """See this package's docstring. Answers with the ids made."""
    for name in SETTINGS:
        if name in document:
            store.set(name, document[name])
    for client in document.get("clients", []):
        store.remove("client", client["client_id"])
        store.add("client", client["client_id"], client)
    if "tax_rates" in document:
        for known in store.all("tax_rate"):
            store.remove("tax_rate", known.id)
        for row in document["tax_rates"]:
            store.add("tax_rate", new_id(), {**row, "rate": str(row["rate"])})
    try:
        products = {each["sku"]: catalog.put_product(store, each).id for each in document.get("products", [])}
        made = {each["accountNumber"]: accounts.created(store, each).id for each in document.get("accounts", [])}
        uses = usage.put(store, document.get("usage", []))
    except Failure as failure:
        raise ValueError(f"{failure.code}: {failure.message}") from None
    return {"products": products, "accounts": made, "usage": len(uses)}


def put_usage(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """{"usage": [{"AccountNumber", "UOM", "Quantity", "StartDateTime", "SubscriptionNumber"}]}."""
    return {"usage": len(usage.put(store, document["usage"]))}


def post_invoices(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """{"numbers": […]} or all drafts: posted, and announced."""
    wanted = document.get("numbers")
    posted = []
    for invoice in store.all("invoice", "body->>'status' = 'Draft'"):
        if wanted is None or invoice.number in wanted:
            invoice.body.update(status="Posted", postedDate=stamp(store, store.now()))
            store.put(invoice)
            posted.append(invoice)
    accounts.owes(store, posted)
    callouts.announce(store, posted)
    return {"posted": [invoice.number for invoice in posted]}


def call_out(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """{"numbers": […]}: announce these invoices once more, as a person can in the callout history."""
    found = [store.by_number("invoice", number) for number in document["numbers"]]
    return {"called": callouts.announce(store, [invoice for invoice in found if invoice])}


def expire_tokens(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """Every token is over: the next call of each client is refused with 401."""
    tokens = store.all("token")
    for record in tokens:
        store.remove("token", record.id)
    return {"expired": len(tokens)}
