"""Products: each rate plan holds one charge, since an order takes a rate plan with all the charges in it."""

from __future__ import annotations

from typing import Any

from q2c.connectors.sandbox_kit import Answer, Record, Request, Store
from q2c.connectors.zuora.sandbox.answers import ABSENT, CATALOG, Failure, new_id, page_of, stamp

MODELS = (
    ("OneTime", "FlatFee"), ("OneTime", "PerUnit"), ("Recurring", "FlatFee"), ("Recurring", "PerUnit"),
    ("Usage", "PerUnit"), ("Usage", "Tiered"), ("Usage", "Volume"), ("Usage", "Overage"),
)  # fmt: skip


def put_product(store: Store, given: dict[str, Any]) -> Record:
    """{"sku", "name", "tax_code", "uom"}: a product with a rate plan for each kind of charge, or its new names."""
    known = store.by_number("product", given["sku"], hidden=True)
    names = {"name": given.get("name") or given["sku"], "tax_code": given.get("tax_code", "")}
    names["uom"] = given.get("uom", "")
    if known is not None:
        known.body.update(names)
        store.put(known)
        return known
    plans = [
        {"id": new_id(), "charge": new_id(), "type": kind, "model": model}
        for kind, model in MODELS
        if not given.get("models") or f"{kind}/{model}" in given["models"]
    ]
    product = store.add("product", new_id(), {**names, "plans": plans, "active": True}, number=given["sku"])
    for plan in plans:
        where = {"product": product.id, "plan": plan["id"], "type": plan["type"], "model": plan["model"]}
        store.add("plan_charge", plan["charge"], where)
    return product


def products(request: Request, store: Store) -> Answer:
    """GET /v1/catalog/products."""
    rows, following = page_of(request, store.all("product"))
    body: dict[str, Any] = {"products": [_shown(store, product) for product in rows], "success": True}
    return Answer(200, body if following is None else {**body, "nextPage": following})


def product(request: Request, store: Store) -> Answer:
    """GET /v1/catalog/product/{key}, by id or SKU."""
    key = request.vars["key"]
    found = store.get("product", key) or store.by_number("product", key)
    if found is None:
        raise Failure(CATALOG, ABSENT, f"Cannot find entity by key: '{key}'.")
    return Answer(200, {**_shown(store, found), "success": True})


def _shown(store: Store, product: Record) -> dict[str, Any]:
    plans = [
        {
            "id": plan["id"],
            "name": f"{product.body['name']}: {plan['type']}, {plan['model']}",
            "status": "Active" if product.body.get("active", True) else "Expired",
            "productRatePlanCharges": [
                {
                    "id": plan["charge"], "name": product.body["name"], "type": plan["type"], "model": plan["model"],
                    "uom": product.body["uom"] or None, "taxCode": product.body["tax_code"] or None,
                    "taxable": True, "taxMode": "TaxExclusive",
                }
            ],
        }
        for plan in product.body["plans"]
    ]  # fmt: skip
    return {
        "id": product.id, "sku": product.number, "name": product.body["name"], "productRatePlans": plans,
        "effectiveStartDate": "2015-01-01", "effectiveEndDate": "2099-12-31",
        "updatedDate": stamp(store, product.updated_at),
    }  # fmt: skip
