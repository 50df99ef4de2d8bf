"""Bill runs: what subscriptions owe becomes invoices, as if a run had been made on each day up to the date."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from q2c.connectors.sandbox_kit import Record, Store
from q2c.connectors.zuora.sandbox import accounts, billing, callouts, subscriptions
from q2c.connectors.zuora.sandbox.answers import new_id, stamp, today
from q2c.money import Money


@dataclass(frozen=True)
class Run:
    """One bill run, and what it works with."""

    number: str
    until: dt.date
    ran_until: dt.date
    posts: bool
    rates: list[dict[str, Any]]
    usages: dict[str, list[dict[str, Any]]]


def bill_run(store: Store, document: dict[str, Any]) -> dict[str, Any]:
    """{"until": date, "account": number or none, "post": true}. Answers with what was made."""
    until = dt.date.fromisoformat(document["until"]) if document.get("until") else today(store)
    # One run at a time, and each subscription as it is once nobody else changes it.
    store.connection.execute("SELECT pg_advisory_xact_lock(hashtext('zuora bill run'))")
    due = _due(store, until, document.get("account"))
    run = Run(
        number=f"BR-{store.next('bill_run'):08d}",
        until=until,
        ran_until=dt.date.fromisoformat(store.setting("ran_until", dt.date.min.isoformat())),
        posts=bool(document.get("post", True)),
        rates=[record.body for record in store.all("tax_rate")],
        usages=_usages(store, {record.body["accountNumber"] for record in due}),
    )
    owners = {record.id: record for record in store.all("account")} if due else {}
    made: list[Record] = []
    errors: list[dict[str, str]] = []
    for record in due:
        account = owners.get(record.body["accountId"])
        if account is None or account.body["status"] != "Active":
            errors.append({"subscription": str(record.number), "message": "The account is not active"})
            continue
        if (held := store.get("subscription", record.id, lock=True)) is not None:
            made += _billed(store, held, account, run)
    if not document.get("account") and until > run.ran_until:
        store.set("ran_until", until.isoformat())
    if run.posts:
        accounts.owes(store, made)
        callouts.announce(store, made)
    return {
        "billRunNumber": run.number,
        "until": until.isoformat(),
        "invoices": len(made),
        "errors": errors,
        "invoiceNumbers": [record.number for record in made],
    }


def _due(store: Store, until: dt.date, account: str | None) -> list[Record]:
    """Subscriptions that may owe something by then. `nextBillOn` spares a daily run the look at all others."""
    wanted, values = "body->>'nextBillOn' <= %s", [until.isoformat()]
    if account:
        wanted, values = f"{wanted} AND body->>'accountNumber' = %s", [*values, account]
    return store.all("subscription", wanted, values)


def _usages(store: Store, accounts: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for use in store.all("usage", "body->>'AccountNumber' = ANY(%s)", [sorted(accounts)]):
        found.setdefault(use.body["AccountNumber"], []).append(use.body)
    return found


def _billed(store: Store, record: Record, account: Record, run: Run) -> list[Record]:
    subscription = record.body
    usages = run.usages.get(subscription["accountNumber"], [])
    drafts = billing.drafts(subscription, usages, run.rates, run.until, run.ran_until)
    made = [_invoice(store, record, account, draft, run) for draft in drafts]
    charges = {charge["number"]: charge for charge in subscription["charges"]}
    for item in (item for draft in drafts for item in draft.items):
        charge = charges[item.charge["number"]]
        if item.usage_period:
            known = charge["usageBilled"].get(item.usage_period, 0)
            charge["usageBilled"][item.usage_period] = known + item.amount_minor
        reached = max(charge["billedThrough"] or "", item.ends_on.isoformat())
        charge["billedThrough"] = item.starts_on.isoformat() if item.is_credit else reached
        charge["credited"] = charge.get("credited", False) or item.is_credit
    subscription["nextBillOn"] = billing.next_bill_on(subscription, run.until).isoformat()
    store.put(record)
    return made


def _invoice(store: Store, record: Record, account: Record, draft: billing.Draft, run: Run) -> Record:
    currency = record.body["currency"]
    net = sum(item.amount_minor for item in draft.items)
    tax = sum(item.tax_minor for item in draft.items)
    total = Money(net + tax, currency).decimal()
    body = {
        "accountId": account.id, "accountNumber": account.number, "amount": total, "balance": total,
        "amountWithoutTax": Money(net, currency).decimal(), "taxAmount": Money(tax, currency).decimal(),
        "discount": 0, "currency": currency, "invoiceDate": draft.bill_on.isoformat(),
        "dueDate": (draft.bill_on + dt.timedelta(days=term_days(record.body["paymentTerm"]))).isoformat(),
        "targetDate": draft.bill_on.isoformat(), "paymentTerm": record.body["paymentTerm"],
        "status": "Posted" if run.posts else "Draft", "postedDate": stamp(store, store.now()) if run.posts else None,
        "source": "BillRun", "sourceId": run.number, "sourceType": "Subscription",
        "items": [_item(record, item, currency) for item in draft.items],
    }  # fmt: skip
    return store.add("invoice", new_id(), body, number=f"INV{store.next('invoice'):08d}")


def _item(record: Record, item: billing.Item, currency: str) -> dict[str, Any]:
    charge = item.charge
    unit = next(iter(charge["pricing"].values()))
    taxes = [
        {
            "id": new_id(), "name": tax["name"], "taxAmount": Money(tax["minor"], currency).decimal(),
            "taxRate": tax["rate"], "taxRateType": "Percentage", "taxCode": charge["taxCode"],
            "jurisdiction": tax["row"].get("region") or tax["row"].get("country"),
            "taxDate": item.starts_on.isoformat(),
        }
        for tax in item.taxes
    ]  # fmt: skip
    return {
        "id": new_id(), "subscriptionId": record.id, "subscriptionName": record.number, "chargeId": charge["id"],
        "chargeName": charge["name"], "chargeType": charge["type"], "processingType": "Charge",
        "chargeDescription": charge["description"], "chargeAmount": Money(item.amount_minor, currency).decimal(),
        "taxAmount": Money(item.tax_minor, currency).decimal(), "taxCode": charge["taxCode"],
        "taxMode": "TaxExclusive", "quantity": item.quantity, "unitPrice": unit.get("listPrice", 0),
        "unitOfMeasure": charge["uom"], "sku": charge["sku"], "productName": charge["name"],
        "productRatePlanChargeId": charge["listed"], "chargeDate": item.starts_on.isoformat(),
        "serviceStartDate": item.starts_on.isoformat(),
        # Zuora names the last day of the service.
        "serviceEndDate": (item.ends_on - dt.timedelta(days=1)).isoformat(),
        "balance": Money(item.amount_minor, currency).decimal(), "taxationItems": {"data": taxes},
    }  # fmt: skip


def term_days(payment_term: str) -> int:
    """ "Net 30" → 30; what names no number is due at once."""
    found = re.search(r"\d+", payment_term or "")
    return int(found.group()) if found else 0


def touch_for_usage(store: Store, accounts: Iterable[str]) -> None:
    """Usage may belong to a period that was billed: the next run looks at these accounts' subscriptions again."""
    for record in store.all("subscription", "body->>'accountNumber' = ANY(%s)", [sorted(accounts)]):
        if not any(charge["type"] == "Usage" for charge in record.body["charges"]):
            continue
        if (held := store.get("subscription", record.id, lock=True)) is not None:
            held.body["nextBillOn"] = subscriptions.DUE_NOW
            store.put(held)
