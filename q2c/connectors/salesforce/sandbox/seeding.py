"""What the control address can put into the org: apps, settings, products, accounts and deals in bulk."""

from __future__ import annotations

from typing import Any

from q2c.connectors.salesforce.sandbox.org import StoredRecords, org_of
from q2c.connectors.salesforce.sandbox.push import enqueue_won
from q2c.connectors.salesforce.sandbox.writing import Org, Refused
from q2c.connectors.sandbox_kit import Store

SETTINGS = ("custom_fields", "page_size", "locators_kept", "daily_limit", "webhook")


def seed(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """See docs/connectors/salesforce.md. Answers with the ids made: {"accounts": {number: id}, "opportunities": …}."""
    for name in SETTINGS:
        if name in document:
            store.set(name, document[name])
    for app in document.get("apps", []):
        store.remove("app", app["consumer_key"])
        store.add("app", app["consumer_key"], app)
    org = org_of(store)
    try:
        _products(org, document.get("products", []))
        accounts = _accounts(org, document.get("accounts", []))
        opportunities = [_opportunity(org, each) for each in document.get("opportunities", [])]
    except Refused as refused:
        raise ValueError(f"{refused.code}: {refused.message}") from None
    org.finish()
    if document.get("push"):
        enqueue_won(store, org.won)
    return {"accounts": accounts, "opportunities": {key: name for name, key in opportunities}}


def _products(org: Org, products: list[dict[str, Any]]) -> None:
    for product in products:
        values = {"Name": product["ProductCode"], "IsActive": True, **product}
        known = org.by_external_id(org.sobject("Product2"), "ProductCode", product["ProductCode"])
        if known:
            org.update(org.sobject("Product2"), known[0]["Id"], values)
        else:
            org.create(org.sobject("Product2"), values)


def _accounts(org: Org, accounts: list[dict[str, Any]]) -> dict[str, str]:
    """`Parent` names another account by its number, whatever their order."""
    sobject = org.sobject("Account")
    made: dict[str, str] = {}
    for account in accounts:
        values = {"Active__c": True, **{name: value for name, value in account.items() if name != "Parent"}}
        known = org.by_external_id(sobject, "AccountNumber", account["AccountNumber"])
        if known:
            org.update(sobject, known[0]["Id"], values)
        made[account["AccountNumber"]] = known[0]["Id"] if known else org.create(sobject, values)
    for account in accounts:
        if account.get("Parent"):
            org.update(sobject, made[account["AccountNumber"]], {"ParentId": _account_id(org, account["Parent"])})
    return made


def _account_id(org: Org, number: str) -> str:
    found = org.by_external_id(org.sobject("Account"), "AccountNumber", number)
    if not found:
        raise Refused("INVALID_CROSS_REFERENCE_KEY", f"there is no account {number}")
    return str(found[0]["Id"])


def _opportunity(org: Org, given: dict[str, Any]) -> tuple[str, str]:
    """`Account`, and of a line `Bill_To`, are account numbers; `lines` are OpportunityLineItems by ProductCode."""
    values = {name: value for name, value in given.items() if name not in {"Account", "lines"}}
    values = {"StageName": "Closed Won", "Name": given.get("Order_Number__c") or "Deal", **values}
    if given.get("Account"):
        values["AccountId"] = _account_id(org, given["Account"])
    key = org.create(org.sobject("Opportunity"), values)
    for number, line in enumerate(given.get("lines", []), start=1):
        _line(org, key, number, line)
    return key, str(given.get("Order_Number__c") or key)


def _line(org: Org, opportunity_id: str, number: int, line: dict[str, Any]) -> None:
    values = {name: value for name, value in line.items() if name not in {"ProductCode", "Bill_To"}}
    if line.get("ProductCode"):
        products = org.by_external_id(org.sobject("Product2"), "ProductCode", line["ProductCode"])
        if not products:
            raise Refused("INVALID_CROSS_REFERENCE_KEY", f"there is no product {line['ProductCode']}")
        values["Product2Id"] = products[0]["Id"]
    if line.get("Bill_To"):
        values["Bill_To__c"] = _account_id(org, line["Bill_To"])
    org.create(
        org.sobject("OpportunityLineItem"),
        {"SortOrder": number, "Quantity": 1, "UnitPrice": 0, **values, "OpportunityId": opportunity_id},
    )


def close_won(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """{"id": …} or {"order_number": …}: the deal is won now, and pushed where a webhook is set."""
    org = org_of(store)
    key = document.get("id") or ""
    if not key:
        found = StoredRecords(store).where("Opportunity", "Order_Number__c", document["order_number"])
        if not found:
            raise ValueError(f"there is no opportunity {document['order_number']}")
        key = found[0]["Id"]
    sobject = org.sobject("Opportunity")
    org.update(sobject, key, {"StageName": "Closed Won"})
    enqueue_won(store, [key])
    return {"id": key}


def push(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """{"ids": […]}: push these once more, as a middleware would after a fault; duplicates are allowed."""
    enqueue_won(store, list(document["ids"]))
    return {"pushed": len(document["ids"])}


def expire_tokens(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """Every session is over: the next call of each client gets INVALID_SESSION_ID."""
    tokens = store.all("token")
    for record in tokens:
        store.remove("token", record.id)
    return {"expired": len(tokens)}
