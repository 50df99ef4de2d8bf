"""Customer accounts: unique numbers, a parent above, contacts, status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from q2c import money
from q2c.connectors.sandbox_kit import Answer, Record, Request, Store
from q2c.connectors.sandbox_kit.store import Duplicate
from q2c.connectors.zuora.sandbox.answers import (
    ABSENT,
    ACCOUNTS,
    INVALID,
    MISSING,
    RULE,
    Failure,
    new_id,
    object_of,
)

OPTIONAL = ("crmId", "batch", "billCycleDay", "autoPay", "paymentTerm", "notes", "salesRep", "purchaseOrderNumber")


def create(request: Request, store: Store) -> Answer:
    """POST /v1/accounts."""
    record = created(store, object_of(request))
    contact = record.body["billToContact"]["id"]
    body = {"success": True, "accountId": record.id, "accountNumber": record.number}
    return Answer(200, {**body, "billToContactId": contact, "soldToContactId": contact})


def created(store: Store, given: dict[str, Any]) -> Record:
    for name in ("name", "currency", "billToContact"):
        if not given.get(name):
            raise Failure(ACCOUNTS, MISSING, f"'{name}' may not be empty")
    for name in ("firstName", "lastName"):
        if not given["billToContact"].get(name):
            raise Failure(ACCOUNTS, MISSING, f"'billToContact.{name}' may not be empty")
    if given["currency"] not in money.EXPONENTS:
        raise Failure(ACCOUNTS, INVALID, f"'currency' {given['currency']} is not enabled for this tenant")
    bill_day = given.get("billCycleDay", 0)
    if not isinstance(bill_day, int) or not 0 <= bill_day <= 31:
        raise Failure(ACCOUNTS, INVALID, "'billCycleDay' value should be between 0 and 31")
    number = str(given.get("accountNumber") or f"A{store.next('account'):08d}")
    body = {
        "name": given["name"], "currency": given["currency"], "status": "Active",
        "parentId": _parent(store, given, ""),
        "billToContact": {**given["billToContact"], "id": new_id()},
        "custom": {name: value for name, value in given.items() if name.endswith(("__c", "__NS"))},
        **{name: given[name] for name in OPTIONAL if name in given},
    }  # fmt: skip
    try:
        return store.add("account", new_id(), body, number=number)
    except Duplicate:
        raise Failure(ACCOUNTS, RULE, f"The account number {number} already exists") from None


def _parent(store: Store, given: dict[str, Any], own_id: str) -> str | None:
    """The parent's id; itself or one below cannot be it."""
    key = given.get("parentId")
    if not key:
        return None
    parent = found(store, str(key))
    above: Record | None = parent
    while above is not None:
        if above.id == own_id:
            raise Failure(ACCOUNTS, RULE, "An account cannot be its own parent, nor that of one above it")
        upper = above.body.get("parentId")
        above = store.get("account", upper, hidden=True) if upper else None
    return parent.id


def update(request: Request, store: Store) -> Answer:
    """PUT /v1/accounts/{key}."""
    record, given = found(store, request.vars["key"]), object_of(request)
    if "parentId" in given:
        record.body["parentId"] = _parent(store, given, record.id)
    if given.get("billToContact"):
        record.body["billToContact"].update(given["billToContact"])
    record.body.update({name: given[name] for name in ("name", *OPTIONAL) if name in given})
    record.body["custom"].update({name: value for name, value in given.items() if name.endswith("__c")})
    store.put(record)
    return Answer(200, {"success": True})


def read(request: Request, store: Store) -> Answer:
    """GET /v1/accounts/{key}."""
    record = visible(store, request.vars["key"])
    body = record.body
    basic = {
        "id": record.id, "name": body["name"], "accountNumber": record.number, "status": body["status"],
        "crmId": body.get("crmId"), "batch": body.get("batch", "Batch1"), "notes": body.get("notes"),
        "parentId": body.get("parentId"), **body["custom"],
    }  # fmt: skip
    billing = {
        "billCycleDay": body.get("billCycleDay", 0), "currency": body["currency"],
        "paymentTerm": body.get("paymentTerm", "Due Upon Receipt"), "autoPay": body.get("autoPay", False),
    }  # fmt: skip
    contact, balance = body["billToContact"], body.get("balance", 0)
    return Answer(
        200,
        {
            "basicInfo": basic, "billingAndPayment": billing, "billToContact": contact, "soldToContact": contact,
            "metrics": {"balance": balance, "totalInvoiceBalance": balance, "creditBalance": 0},
            "success": True,
        },
    )  # fmt: skip


def owes(store: Store, invoices: Iterable[Record]) -> None:
    """Posted invoices add to the balance of their accounts; this tenant takes no payments."""
    more: dict[str, Decimal] = {}
    for invoice in invoices:
        more[invoice.body["accountId"]] = more.get(invoice.body["accountId"], Decimal(0)) + invoice.body["amount"]
    _add(store, more)


def owes_no_more(store: Store, invoice: Record) -> None:
    """What was posted is taken back whole."""
    _add(store, {invoice.body["accountId"]: -invoice.body["amount"]})


def _add(store: Store, more: Mapping[str, Decimal]) -> None:
    """To the balances of these accounts, by id."""
    for id_ in sorted(more):
        account = store.get("account", id_, lock=True, hidden=True)
        if account is not None:
            account.body["balance"] = Decimal(str(account.body.get("balance", 0))) + more[id_]
            store.put(account)


def found(store: Store, key: str) -> Record:
    """For work inside the tenant, whatever searches still miss."""
    record = store.get("account", key, hidden=True) or store.by_number("account", key, hidden=True)
    if record is None:
        raise Failure(ACCOUNTS, ABSENT, f"Cannot find entity by key: '{key}'.")
    return record


def visible(store: Store, key: str) -> Record:
    record = store.get("account", key) or store.by_number("account", key)
    if record is None:
        raise Failure(ACCOUNTS, ABSENT, f"Cannot find entity by key: '{key}'.")
    return record
