"""Subscriptions and their charges: made, extended, dated and cancelled by order actions."""

from __future__ import annotations

from typing import Any

from q2c.connectors.sandbox_kit import Answer, Record, Request, Store
from q2c.connectors.sandbox_kit.store import Duplicate
from q2c.connectors.zuora.sandbox import periods
from q2c.connectors.zuora.sandbox.answers import (
    ABSENT,
    INVALID,
    MISSING,
    ORDERS,
    RULE,
    Failure,
    day_of,
    new_id,
    stamp,
    today,
)
from q2c.connectors.zuora.sandbox.querying import Queried

PRICINGS = {
    ("OneTime", "FlatFee"): "oneTimeFlatFee", ("OneTime", "PerUnit"): "oneTimePerUnit",
    ("Recurring", "FlatFee"): "recurringFlatFee", ("Recurring", "PerUnit"): "recurringPerUnit",
    ("Usage", "PerUnit"): "usagePerUnit", ("Usage", "Tiered"): "usageTiered", ("Usage", "Volume"): "usageVolume",
    ("Usage", "Overage"): "usageOverage",
}  # fmt: skip
TRIGGERS = ("ContractEffective", "ServiceActivation", "CustomerAcceptance", "SpecificDate")
MONTHS = {"Month": 1, "Year": 12}
# Before any bill date: the next run looks at this subscription.
DUE_NOW = "0001-01-01"


def missing(store: Store, action: dict[str, Any]) -> list[str]:
    """Which dates that the tenant requires an action still waits for."""
    given = {each["name"] for each in action.get("triggerDates") or [] if each.get("triggerDate")}
    required = store.setting("required_dates", ["ServiceActivation"])
    return [] if action["type"] == "CancelSubscription" else [name for name in required if name not in given]


def act(store: Store, account: Record, order_number: str, kept: dict[str, Any]) -> None:
    """Carry the actions out, in their order; `kept` is what the order remembers of this subscription."""
    for action in kept["orderActions"]:
        kind = action["type"]
        if kind == "CreateSubscription":
            _create(store, account, order_number, kept, action)
            continue
        record = _own(store, kept["subscriptionNumber"])
        if record.body["accountId"] != account.id:
            raise Failure(ORDERS, RULE, f"The subscription {record.number} belongs to another account")
        if kind == "AddProduct":
            record.body["charges"] += _charges(store, record, action, [action.get("addProduct") or {}])
        else:
            _cancel(store, record, action)
        record.body["version"] += 1
        _refreshed(store, record)


def _create(store: Store, account: Record, order_number: str, kept: dict[str, Any], action: dict[str, Any]) -> None:
    given = action.get("createSubscription") or {}
    term = (given.get("terms") or {}).get("initialTerm") or {}
    if term.get("termType") not in ("TERMED", "EVERGREEN"):
        raise Failure(ORDERS, INVALID, "'termType' value should be one of: TERMED, EVERGREEN")
    starts_on = day_of(term.get("startDate") or _date(action, "ContractEffective"), "startDate")
    months = int(term.get("period") or 0) * MONTHS.get(term.get("periodType") or "Month", 0)
    if term["termType"] == "TERMED" and months < 1:
        raise Failure(ORDERS, INVALID, "'period' and 'periodType' of a term must be whole months or years")
    currency = given.get("currency") or account.body["currency"]
    if currency != account.body["currency"]:
        text = f"The currency {currency} is not that of the account {account.number}, {account.body['currency']}"
        raise Failure(ORDERS, RULE, text)
    body = {
        "accountId": account.id, "accountNumber": account.number, "accountName": account.body["name"],
        "currency": currency, "number": kept["subscriptionNumber"], "orderNumber": order_number, "version": 1,
        "termType": term["termType"], "termMonths": months, "termStart": starts_on.isoformat(),
        "termEnd": periods.add_months(starts_on, months or 1200).isoformat(),
        "invoiceSeparately": bool(given.get("invoiceSeparately")), "autoRenew": False,
        "paymentTerm": given.get("paymentTerm") or account.body.get("paymentTerm") or "Due Upon Receipt",
        "soldTo": given.get("soldToContact") or account.body["billToContact"],
        "custom": kept["customFields"], "charges": [], "cancelledOn": None, "nextBillOn": DUE_NOW,
        "firstDates": _all_dates(action),
    }  # fmt: skip
    record = _added(store, body)
    plans = given.get("subscribeToRatePlans") or given.get("subscribeToProducts") or []
    if not plans:
        raise Failure(ORDERS, MISSING, "'subscribeToRatePlans' may not be empty")
    record.body["charges"] = _charges(store, record, action, plans)
    _refreshed(store, record)


def _added(store: Store, body: dict[str, Any]) -> Record:
    try:
        return store.add("subscription", new_id(), body, number=body["number"])
    except Duplicate:
        raise Failure(ORDERS, RULE, f"The subscription number {body['number']} already exists") from None


def _charges(store: Store, record: Record, action: dict[str, Any], plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for plan in plans:
        overrides = plan.get("chargeOverrides") or []
        if not overrides:
            raise Failure(ORDERS, MISSING, "'chargeOverrides' may not be empty: this stand-in keeps no list prices")
        for override in overrides:
            found.append(_charge(store, record, action, plan, override))
    return found


def _charge(
    store: Store, record: Record, action: dict[str, Any], plan: dict[str, Any], override: dict[str, Any]
) -> dict[str, Any]:
    key = override.get("productRatePlanChargeId") or override.get("productRateplanChargeId") or ""
    listed = store.get("plan_charge", str(key), hidden=True)
    if listed is None or listed.body["plan"] != plan.get("productRatePlanId"):
        raise Failure(ORDERS, ABSENT, f"The product rate plan charge '{key}' is not in this product rate plan")
    product = store.get("product", listed.body["product"], hidden=True)
    assert product is not None
    if not product.body.get("active", True):
        raise Failure(ORDERS, RULE, f"The product {product.number} is not active any more")
    pricing = override.get("pricing") or {}
    wanted = PRICINGS[listed.body["type"], listed.body["model"]]
    if wanted not in pricing:
        raise Failure(ORDERS, INVALID, f"'pricing' of this charge must be {wanted}")
    starts = override.get("startDate") or {}
    trigger = starts.get("triggerEvent") or "ContractEffective"
    if trigger not in TRIGGERS:
        raise Failure(ORDERS, INVALID, f"'triggerEvent' value should be one of: {', '.join(TRIGGERS)}")
    charge = {
        "id": new_id(), "number": f"C-{store.next('charge'):08d}", "plan": plan["productRatePlanId"],
        "listed": listed.id, "product": product.id, "sku": product.number, "name": product.body["name"],
        "taxCode": product.body.get("tax_code", ""), "uom": product.body.get("uom", ""),
        "type": listed.body["type"], "model": listed.body["model"],
        "pricing": pricing, "billing": override.get("billing") or {}, "description": override.get("description", ""),
        "custom": override.get("customFields") or {}, "action": action["sequence"], "order": record.body["orderNumber"],
        "trigger": trigger, "specific": starts.get("specificTriggerDate"),
        "endsOn": _end(record, override.get("endDate") or {}), "startsOn": None, "billedThrough": None,
        "credited": False, "usageBilled": {},
    }  # fmt: skip
    charge["pricedUntil"] = charge["endsOn"]
    charge["startsOn"] = _start(store, action, charge)
    return charge


def _end(record: Record, given: dict[str, Any]) -> str:
    condition = given.get("endDateCondition") or "Subscription_End"
    if condition == "Subscription_End":
        return str(record.body["termEnd"])
    if condition == "Specific_End_Date":
        return min(day_of(given.get("specificEndDate"), "specificEndDate").isoformat(), str(record.body["termEnd"]))
    raise Failure(ORDERS, RULE, f"This stand-in does not do the end date condition '{condition}'")


def _start(store: Store, action: dict[str, Any], charge: dict[str, Any]) -> str | None:
    """From when a charge is billed; None while its action waits for a date."""
    if missing(store, action):
        return None
    if charge["trigger"] == "SpecificDate":
        return str(charge["specific"]) if charge["specific"] else None
    return _date(action, charge["trigger"]) or None


def dates_given(store: Store, number: str, actions: list[dict[str, Any]]) -> None:
    """Actions of this subscription have got their dates: their charges begin."""
    record = _own(store, number)
    by_sequence = {action["sequence"]: action for action in actions}
    for charge in record.body["charges"]:
        action = by_sequence.get(charge["action"])
        if action is not None and charge["startsOn"] is None:
            charge["startsOn"] = _start(store, action, charge)
    if 0 in by_sequence:
        record.body["firstDates"] = _all_dates(by_sequence[0])
    _refreshed(store, record)


def _cancel(store: Store, record: Record, action: dict[str, Any]) -> None:
    given = action.get("cancelSubscription") or {}
    policy = given.get("cancellationPolicy")
    if policy not in ("SpecificDate", "EndOfCurrentTerm"):
        raise Failure(ORDERS, INVALID, "'cancellationPolicy' value should be one of: EndOfCurrentTerm, SpecificDate")
    if record.body["cancelledOn"]:
        raise Failure(ORDERS, RULE, f"The subscription {record.number} is cancelled already")
    ends = record.body["termEnd"]
    on = day_of(
        given.get("cancellationEffectiveDate") if policy == "SpecificDate" else ends, "cancellationEffectiveDate"
    )
    if not record.body["termStart"] <= on.isoformat() <= ends:
        raise Failure(ORDERS, RULE, "'cancellationEffectiveDate' must lie in the current term")
    record.body["cancelledOn"] = on.isoformat()
    for charge in record.body["charges"]:
        charge["endsOn"] = max(min(charge["endsOn"], on.isoformat()), charge["startsOn"] or "")


def keep(store: Store, record: Record) -> None:
    """As it was before it was cancelled; what its cancellation has credited stays credited. Raises Failure."""
    if not record.body["cancelledOn"]:
        raise Failure(ORDERS, RULE, f"The subscription {record.number} is not cancelled")
    if any(charge.get("credited") for charge in record.body["charges"]):
        text = f"The subscription {record.number} was credited since it was cancelled, and is not taken back any more"
        raise Failure(ORDERS, RULE, text)
    record.body["cancelledOn"] = None
    for charge in record.body["charges"]:
        charge["endsOn"] = charge["pricedUntil"]
    record.body["version"] -= 1
    _refreshed(store, record)


def _own(store: Store, number: str) -> Record:
    record = store.by_number("subscription", number, lock=True, hidden=True)
    if record is None:
        raise Failure(ORDERS, ABSENT, f"Cannot find entity by key: '{number}'.")
    return record


def _refreshed(store: Store, record: Record) -> None:
    record.body["nextBillOn"] = DUE_NOW
    store.put(record)


def status(store: Store, record: Record) -> str:
    cancelled = record.body["cancelledOn"]
    if cancelled and cancelled <= today(store).isoformat():
        return "Cancelled"
    required = store.setting("required_dates", ["ServiceActivation"])
    waits = [name for name in required if name not in record.body["firstDates"]]
    if waits:
        return "Pending Activation" if waits[0] == "ServiceActivation" else "Pending Acceptance"
    return "Expired" if record.body["termEnd"] <= today(store).isoformat() else "Active"


def read(request: Request, store: Store) -> Answer:
    """GET /v1/subscriptions/{key}."""
    key = request.vars["key"]
    record = store.by_number("subscription", key) or store.get("subscription", key)
    if record is None:
        raise Failure(ORDERS, ABSENT, f"Cannot find entity by key: '{key}'.")
    return Answer(200, {"success": True, **shown(store, record)})


def of_account(request: Request, store: Store) -> Answer:
    """GET /v1/subscriptions/accounts/{key}."""
    key = request.vars["key"]
    rows = store.all("subscription", "%s IN (body->>'accountId', body->>'accountNumber')", [key])
    return Answer(200, {"subscriptions": [shown(store, record) for record in rows], "success": True})


def query(request: Request, store: Store) -> Answer:
    """GET /object-query/subscriptions. A record is the latest version: this stand-in keeps no earlier ones."""
    return QUERIED.answer(request, store)


def _queried(store: Store, record: Record) -> dict[str, Any]:
    """As object queries name the fields: no scheduledCancelDate, and a number is a name."""
    body, dates = record.body, record.body["firstDates"]
    return {
        "id": record.id, "name": record.number, "accountId": body["accountId"], "invoiceOwnerId": body["accountId"],
        "status": status(store, record), "version": body["version"], "isLatestVersion": True,
        "termType": body["termType"], "currentTerm": body["termMonths"], "currentTermPeriodType": "Month",
        "initialTerm": body["termMonths"], "initialTermPeriodType": "Month", "autoRenew": body["autoRenew"],
        "termStartDate": body["termStart"], "termEndDate": body["termEnd"], "subscriptionStartDate": body["termStart"],
        "subscriptionEndDate": body["cancelledOn"] or body["termEnd"], "cancelledDate": body["cancelledOn"],
        "contractEffectiveDate": dates.get("ContractEffective"),
        "serviceActivationDate": dates.get("ServiceActivation"),
        "contractAcceptanceDate": dates.get("CustomerAcceptance"), "currency": body["currency"],
        "paymentTerm": body["paymentTerm"], "isInvoiceSeparate": body["invoiceSeparately"], **body["custom"],
    }  # fmt: skip


QUERIED = Queried(
    "subscription", "name", ("accountId", "cancelledDate", "termEndDate"), _queried,
    {"cancelledDate": "cancelledOn", "termEndDate": "termEnd"},
)  # fmt: skip


def shown(store: Store, record: Record) -> dict[str, Any]:
    body, dates = record.body, record.body["firstDates"]
    cancelled = body["cancelledOn"]
    return {
        "id": record.id, "subscriptionNumber": record.number, "orderNumber": body["orderNumber"],
        "accountId": body["accountId"], "accountNumber": body["accountNumber"], "accountName": body["accountName"],
        "invoiceOwnerAccountId": body["accountId"], "invoiceOwnerAccountNumber": body["accountNumber"],
        "status": status(store, record), "version": body["version"], "isLatestVersion": True,
        "termType": body["termType"], "currentTerm": body["termMonths"], "currentTermPeriodType": "Month",
        "initialTerm": body["termMonths"], "initialTermPeriodType": "Month", "autoRenew": body["autoRenew"],
        "termStartDate": body["termStart"], "termEndDate": body["termEnd"], "subscriptionStartDate": body["termStart"],
        "subscriptionEndDate": cancelled or body["termEnd"], "scheduledCancelDate": cancelled,
        "contractEffectiveDate": dates.get("ContractEffective"),
        "serviceActivationDate": dates.get("ServiceActivation"),
        "customerAcceptanceDate": dates.get("CustomerAcceptance"),
        "currency": body["currency"], "paymentTerm": body["paymentTerm"],
        "invoiceSeparately": body["invoiceSeparately"], "soldToContact": body["soldTo"],
        "createTime": stamp(store, record.created_at), "updateTime": stamp(store, record.updated_at),
        "ratePlans": [_plan_shown(charge, body["currency"]) for charge in body["charges"]], **body["custom"],
    }  # fmt: skip


def _plan_shown(charge: dict[str, Any], currency: str) -> dict[str, Any]:
    terms = next(iter(charge["pricing"].values()))
    shown_charge = {
        "id": charge["id"], "number": charge["number"], "name": charge["name"], "type": charge["type"],
        "model": charge["model"], "productRatePlanChargeId": charge["listed"], "currency": currency,
        "uom": charge["uom"] or None, "price": terms.get("listPrice"), "quantity": terms.get("quantity"),
        "tiers": terms.get("tiers"), "billingPeriod": charge["billing"].get("billingPeriod"),
        "triggerEvent": charge["trigger"], "effectiveStartDate": charge["startsOn"],
        "effectiveEndDate": charge["endsOn"], "chargedThroughDate": charge["billedThrough"],
        "description": charge["description"], **charge["custom"],
    }  # fmt: skip
    return {
        "id": charge["plan"], "productId": charge["product"], "productName": charge["name"],
        "productSku": charge["sku"], "productRatePlanId": charge["plan"], "ratePlanName": charge["name"],
        "ratePlanCharges": [shown_charge],
    }  # fmt: skip


def _date(action: dict[str, Any], name: str) -> str:
    return _all_dates(action).get(name, "")


def _all_dates(action: dict[str, Any]) -> dict[str, str]:
    rows = action.get("triggerDates") or []
    return {each["name"]: str(each["triggerDate"]) for each in rows if each.get("triggerDate")}
