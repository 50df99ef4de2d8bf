"""Orders: at once or as a job, read again, given their dates later; what they do to subscriptions."""

from __future__ import annotations

import datetime as dt
from typing import Any

from q2c.connectors.http import machine_time_s
from q2c.connectors.sandbox_kit import Answer, Record, Request, Store
from q2c.connectors.sandbox_kit.store import Duplicate, dumped
from q2c.connectors.zuora.sandbox import accounts, subscriptions
from q2c.connectors.zuora.sandbox.answers import (
    ABSENT,
    INVALID,
    MISSING,
    ORDERS,
    RULE,
    Failure,
    day_of,
    new_id,
    object_of,
    stamp,
)

ACTIONS_MAX_SYNC, ACTIONS_MAX_ASYNC = 50, 300
JOB_S = 0.5
KINDS = ("CreateSubscription", "AddProduct", "CancelSubscription")
OTHER_KINDS = (
    "TermsAndConditions", "UpdateProduct", "RemoveProduct", "RenewSubscription", "OwnerTransfer", "Suspend", "Resume",
    "ChangePlan",
)  # fmt: skip
DATES = ("ContractEffective", "ServiceActivation", "CustomerAcceptance")


def create(request: Request, store: Store) -> Answer:
    """POST /v1/orders."""
    order = _created(store, object_of(request), ACTIONS_MAX_SYNC)
    return Answer(200, _result(store, order, request.query.get("returnIds") == "true"))


def create_async(request: Request, store: Store) -> Answer:
    """POST /v1/async/orders: done in this transaction, seen by nobody before the job's time is over."""
    job_s = float(store.setting("job_s", JOB_S))
    search_lag_s, store.lag_s = store.lag_s, max(store.lag_s, job_s)
    body: dict[str, Any] = {}
    given = object_of(request)
    try:
        with store.connection.transaction():
            order = _created(store, given, ACTIONS_MAX_ASYNC)
            result = _result(store, order, request.query.get("returnIds") == "true")
            body |= {"status": "Completed", "errors": None, "result": {**result, "jobType": "AsyncCreateOrder"}}
    except Failure as failure:
        failed = {"success": False, "reasons": [failure.reason()]}
        body |= {"status": "Failed", "errors": failure.message, "result": failed}
    # Taken last, so that what the job made is seen before the job says that it is done.
    body["ready_at_ms"] = int((machine_time_s() + job_s) * 1000) + 1
    store.lag_s = 0.0
    job = store.add("job", new_id(), body)
    store.lag_s = search_lag_s
    return Answer(202, {"jobId": job.id, "success": True})


def cancelling(store: Store, subscription: Record, on: dt.date, ordered_on: dt.date) -> Record:
    """The order by which a person cancels a subscription as of a day. Raises Failure."""
    action = {
        "type": "CancelSubscription",
        "triggerDates": [{"name": "ContractEffective", "triggerDate": on.isoformat()}],
        "cancelSubscription": {"cancellationPolicy": "SpecificDate", "cancellationEffectiveDate": on.isoformat()},
    }
    given = {
        "orderDate": ordered_on.isoformat(), "existingAccountNumber": subscription.body["accountNumber"],
        "subscriptions": [{"subscriptionNumber": subscription.number, "orderActions": [action]}],
    }  # fmt: skip
    return _created(store, given, ACTIONS_MAX_SYNC)


def take_back(store: Store, subscription: Record) -> str:
    """A person deletes the order that cancels a subscription. Returns the numbers of such orders. Raises Failure."""
    subscriptions.keep(store, subscription)
    wanted = [{"subscriptionNumber": subscription.number, "orderActions": [{"type": "CancelSubscription"}]}]
    orders = store.all("order", "(body->'subscriptions')::jsonb @> %s::jsonb", [dumped(wanted)], hidden=True)
    for order in orders:
        store.remove("order", order.id)
    return ", ".join(str(order.number) for order in orders)


def job(request: Request, store: Store) -> Answer:
    """GET /v1/async-jobs/{id}."""
    found = store.get("job", request.vars["id"])
    if found is None:
        raise Failure(ORDERS, ABSENT, f"Cannot find entity by key: '{request.vars['id']}'.")
    if found.body["ready_at_ms"] > machine_time_s() * 1000:
        return Answer(200, {"status": "Processing", "errors": None, "result": None, "success": True})
    shown = {name: found.body[name] for name in ("status", "errors", "result")}
    return Answer(200, {**shown, "success": True})


def read(request: Request, store: Store) -> Answer:
    """GET /v1/orders/{number}."""
    order = store.by_number("order", request.vars["number"])
    if order is None:
        raise Failure(ORDERS, ABSENT, f"Cannot find entity by key: '{request.vars['number']}'.")
    return Answer(200, {"success": True, "order": _shown(store, order)})


def of_subscription(request: Request, store: Store) -> Answer:
    """GET /v1/orders/subscription/{number}."""
    number = request.vars["number"]
    rows = store.all("order", "body->'subscriptions'->0->>'subscriptionNumber' = %s", [number])
    return Answer(200, {"orders": [_shown(store, order) for order in rows], "success": True})


def set_dates(request: Request, store: Store) -> Answer:
    """PUT /v1/orders/{number}/triggerDates: what a pending order was waiting for."""
    number = request.vars["number"]
    order = store.by_number("order", number, lock=True, hidden=True)
    if order is None:
        raise Failure(ORDERS, ABSENT, f"Cannot find entity by key: '{number}'.")
    if order.body["status"] != "Pending":
        raise Failure(ORDERS, RULE, f"The order {number} is {order.body['status']}; only a pending order takes dates")
    known = {each["subscriptionNumber"]: each for each in order.body["subscriptions"]}
    for given in object_of(request).get("subscriptions") or []:
        target = known.get(given.get("subscriptionNumber"))
        if target is None:
            raise Failure(ORDERS, ABSENT, f"The order has no subscription {given.get('subscriptionNumber')}")
        _dated(store, target, given)
    order.body["status"] = _status(store, order.body)
    store.put(order)
    return Answer(200, _result(store, order, with_ids=False))


def _dated(store: Store, target: dict[str, Any], given: dict[str, Any]) -> None:
    actions = {action["sequence"]: action for action in target["orderActions"]}
    changed = []
    for each in given.get("orderActions") or []:
        action = actions.get(each.get("sequence"))
        if action is None:
            raise Failure(ORDERS, INVALID, f"'sequence' {each.get('sequence')} is no action of this subscription")
        dates = {**_dates(action), **_dates(each)}
        action["triggerDates"] = [{"name": name, "triggerDate": dates[name]} for name in DATES if name in dates]
        _in_order(action)
        changed.append(action)
    subscriptions.dates_given(store, target["subscriptionNumber"], changed)


def _created(store: Store, given: dict[str, Any], actions_max: int) -> Record:
    given = _copied(given)
    ordered_on = day_of(given.get("orderDate"), "orderDate")
    if not given.get("existingAccountNumber"):
        raise Failure(ORDERS, MISSING, "'existingAccountNumber' may not be empty")
    account = accounts.found(store, str(given["existingAccountNumber"]))
    if account.body["status"] != "Active":
        raise Failure(ORDERS, RULE, f"The account {account.number} is {account.body['status']}, not Active")
    wanted = given.get("subscriptions") or []
    if not wanted:
        raise Failure(ORDERS, MISSING, "'subscriptions' may not be empty")
    if sum(len(each.get("orderActions") or []) for each in wanted) > actions_max:
        raise Failure(ORDERS, RULE, f"An order takes at most {actions_max} order actions here")
    number = str(given.get("orderNumber") or f"O-{store.next('order'):08d}")
    body: dict[str, Any] = {
        "orderDate": ordered_on.isoformat(), "existingAccountNumber": account.number,
        "description": given.get("description", ""), "customFields": given.get("customFields") or {},
        "currency": account.body["currency"], "status": "Draft", "subscriptions": [],
    }  # fmt: skip
    for each in wanted:
        body["subscriptions"].append(_subscription(store, account, number, each))
    body["status"] = _status(store, body)
    try:
        return store.add("order", new_id(), body, number=number)
    except Duplicate:
        raise Failure(ORDERS, RULE, f"The order number {number} already exists") from None


def _subscription(store: Store, account: Record, order_number: str, given: dict[str, Any]) -> dict[str, Any]:
    actions = given.get("orderActions") or []
    if not actions:
        raise Failure(ORDERS, MISSING, "'orderActions' may not be empty")
    number = given.get("subscriptionNumber") or f"A-S{store.next('subscription'):08d}"
    kept: dict[str, Any] = {
        "subscriptionNumber": number, "customFields": given.get("customFields") or {},
        "subscriptionOwnerAccountNumber": account.number, "orderActions": [],
    }  # fmt: skip
    for sequence, action in enumerate(actions):
        kind = action.get("type")
        if kind in OTHER_KINDS:
            raise Failure(ORDERS, RULE, f"This stand-in does not do '{kind}'")
        if kind not in KINDS:
            raise Failure(ORDERS, INVALID, f"'type' value should be one of: {', '.join(KINDS + OTHER_KINDS)}")
        _in_order(action)
        kept["orderActions"].append({**action, "sequence": sequence})
    subscriptions.act(store, account, order_number, kept)
    return kept


def _in_order(action: dict[str, Any]) -> None:
    """ContractEffective ≤ ServiceActivation ≤ CustomerAcceptance."""
    dates = _dates(action)
    if not dates.get("ContractEffective"):
        raise Failure(ORDERS, MISSING, "'triggerDates': ContractEffective may not be empty")
    days = [day_of(dates[name], "triggerDate") for name in DATES if dates.get(name)]
    if days != sorted(days):
        raise Failure(ORDERS, RULE, f"The trigger dates must not decrease in the order {', '.join(DATES)}")


def _dates(action: dict[str, Any]) -> dict[str, str]:
    found = {}
    for each in action.get("triggerDates") or []:
        if each.get("name") not in DATES:
            raise Failure(ORDERS, INVALID, f"'name' value should be one of: {', '.join(DATES)}")
        if each.get("triggerDate"):
            found[each["name"]] = str(each["triggerDate"])
    return found


def _status(store: Store, body: dict[str, Any]) -> str:
    actions = [action for each in body["subscriptions"] for action in each["orderActions"]]
    return "Pending" if any(subscriptions.missing(store, action) for action in actions) else "Completed"


def _result(store: Store, order: Record, with_ids: bool) -> dict[str, Any]:
    numbers = [each["subscriptionNumber"] for each in order.body["subscriptions"]]
    theirs = [store.by_number("subscription", number, hidden=True) for number in numbers]
    found = {
        "success": True, "orderNumber": order.number, "accountNumber": order.body["existingAccountNumber"],
        "status": order.body["status"],
        "subscriptions": [
            {"subscriptionNumber": each.number, "status": subscriptions.status(store, each)} for each in theirs if each
        ],
    }  # fmt: skip
    if with_ids:
        # Ids stand in the place of numbers, not beside them.
        account = accounts.found(store, found.pop("accountNumber"))
        del found["orderNumber"]
        found |= {"orderId": order.id, "accountId": account.id, "subscriptionIds": [each.id for each in theirs if each]}
    return found


def _shown(store: Store, order: Record) -> dict[str, Any]:
    body = {**order.body, "subscriptions": [_subscription_shown(each) for each in order.body["subscriptions"]]}
    dates = {"createdDate": stamp(store, order.created_at), "updatedDate": stamp(store, order.updated_at)}
    return {**body, "orderNumber": order.number, **dates}


def _subscription_shown(given: dict[str, Any]) -> dict[str, Any]:
    """With the members that Zuora adds to what it was sent: a reader must not take them for a difference."""
    shown = {**given, "externallyManagedBy": None, "baseVersion": 1, "newVersion": 1, "orderActions": []}
    for action in given["orderActions"]:
        found = {**action, "changeReason": None, "customFields": action.get("customFields") or {}}
        if created := action.get("createSubscription"):
            plans = [_plan_shown(plan) for plan in created.get("subscribeToRatePlans") or []]
            found["createSubscription"] = {**created, "notes": None, "subscribeToRatePlans": plans}
        if added := action.get("addProduct"):
            found["addProduct"] = _plan_shown(added)
        shown["orderActions"].append(found)
    return shown


def _plan_shown(plan: dict[str, Any]) -> dict[str, Any]:
    more = {"priceChangeOption": "NoChange", "priceIncreasePercentage": None}
    overrides = [
        {
            **override,
            "pricing": {name: {**terms, **more} for name, terms in (override.get("pricing") or {}).items()},
            "billing": {"billCycleDay": None, "weeklyBillCycleDay": None, **(override.get("billing") or {})},
        }
        for override in plan.get("chargeOverrides") or []
    ]
    return {**plan, "uniqueToken": None, "chargeOverrides": overrides}


def _copied(given: dict[str, Any]) -> dict[str, Any]:
    """A copy of a body, so that what the handler adds does not reach the request."""
    return {**given, "subscriptions": [dict(each) for each in given.get("subscriptions") or []]}
