"""Zuora's own client against the stand-in. A program: it runs in the referees' environment and prints one JSON object.

python referee_sdk.py <address of the sandbox> <client id> <client secret>
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import time
import urllib.request
from typing import Any

import zuora_sdk
from zuora_sdk import api, exceptions, models
from zuora_sdk.zuora_client import ZuoraClient

BASE, CLIENT_ID, SECRET = sys.argv[1:4]
DAY = dt.date(2026, 1, 1)


def control(verb: str, method: str = "POST", **document: Any) -> Any:
    body = json.dumps(document).encode()
    request = urllib.request.Request(f"{BASE}/_control/{verb}", body, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        return json.loads(answer.read())


def connected() -> Any:
    configuration = zuora_sdk.Configuration(host=BASE)
    # Else urllib3 obeys Retry-After below it, and nobody sees the 429.
    configuration.retries = False
    client = ZuoraClient(CLIENT_ID, SECRET, None, configuration)
    client.initialize()
    return client.api_client


def order_of(plan: dict[str, Any], number: str, account: str) -> Any:
    action = {
        "type": "CreateSubscription",
        "triggerDates": [{"name": "ContractEffective", "triggerDate": "2026-01-01"}],
        "customFields": {"Q2C_Phase__c": "1"},
        "createSubscription": {
            "invoiceSeparately": True,
            "soldToContact": {"firstName": "A", "lastName": "P", "country": "DE"},
            "terms": {"initialTerm": {"termType": "TERMED", "period": 12, "periodType": "Month",
                                      "startDate": "2026-01-01"}, "autoRenew": False},
            "subscribeToRatePlans": [{
                "productRatePlanId": plan["id"],
                "chargeOverrides": [{
                    "productRatePlanChargeId": plan["productRatePlanCharges"][0]["id"],
                    "pricing": {"recurringPerUnit": {"listPrice": 12.5, "quantity": 3, "listPriceBase": "Per_Month"}},
                    "startDate": {"triggerEvent": "ServiceActivation"},
                    "billing": {"billingPeriod": "Month", "billCycleType": "SpecificDayofMonth", "billCycleDay": 1},
                }],
            }],
        },
    }  # fmt: skip
    return models.CreateOrderAsyncRequest.from_dict(
        {
            "orderDate": "2025-12-15",
            "orderNumber": f"O-{number}",
            "existingAccountNumber": account,
            "subscriptions": [{"subscriptionNumber": f"S-{number}", "orderActions": [action]}],
            "processingOptions": {"runBilling": False, "collectPayment": False},
        }
    )


def job_of(orders: Any, job_id: str) -> dict[str, Any]:
    """The client's own model of a job finds every result to be of two kinds at once, and reads none."""
    client = orders.api_client
    answer = client.call_api("GET", f"{BASE}/v1/async-jobs/{job_id}", dict(client.default_headers))
    answer.read()
    return dict(json.loads(answer.data))


def customers(client: Any) -> dict[str, Any]:
    accounts = api.accounts_api.AccountsApi(client)
    contact = {"firstName": "Ada", "lastName": "Byron", "country": "DE", "zipCode": "10115"}
    body = {"name": "Acme", "currency": "EUR", "billToContact": contact, "paymentTerm": "Net 30", "billCycleDay": 1}
    ask = models.CreateAccountRequest.from_dict
    parent = accounts.create_account(ask({**body, "accountNumber": "HOLD"}))
    child = accounts.create_account(ask({**body, "accountNumber": "ACME", "parentId": parent.account_id}))
    again = accounts.create_account(ask({**body, "accountNumber": "ACME"}))
    read = accounts.get_account("ACME")
    return {
        "created": child.success, "again": again.success, "again_code": str(again.reasons[0].code),
        "parent": read.basic_info.parent_id == parent.account_id, "currency": read.billing_and_payment.currency,
        "missing": accounts.get_account("NOBODY").success,
    }  # fmt: skip


def ordered(client: Any) -> dict[str, Any]:
    orders = api.orders_api.OrdersApi(client)
    products = api.products_api.ProductsApi(client).get_products(page_size=40)
    plans = [plan for product in products.products if product.sku == "PLAT" for plan in product.product_rate_plans]
    plan = next(each for each in plans if each["name"].endswith("Recurring, PerUnit"))
    body = order_of(plan, "1", "ACME")
    job = orders.create_order_asynchronously(body, idempotency_key="key-1", return_ids=True)
    again = orders.create_order_asynchronously(body, idempotency_key="key-1", return_ids=True)
    found = job_of(orders, job.job_id)
    for _ in range(100):
        if found["status"] != "Processing":
            break
        time.sleep(0.05)
        found = job_of(orders, job.job_id)
    result = models.GetAsyncCreateOrderJobResponse.from_dict(found["result"])
    told: dict[str, Any] = {"status": found["status"], "same_job": again.job_id == job.job_id}
    told["ids"] = [bool(result.order_id), len(result.subscription_ids), result.order_number]
    told["subscription"] = result.subscriptions[0].status
    try:
        orders.create_order_asynchronously(order_of(plan, "2", "ACME"), idempotency_key="key-1")
    except exceptions.ApiException as error:
        told["other_content_under_the_key"] = error.status
    dates = {"subscriptions": [{"subscriptionNumber": "S-1", "orderActions": [{"sequence": 0, "triggerDates": [
        {"name": "ServiceActivation", "triggerDate": "2026-01-01"}]}]}]}  # fmt: skip
    given = orders.update_order_trigger_dates("O-1", models.UpdateOrderTriggerDatesRequest.from_dict(dates))
    told |= {"activated": given.success, "after": given.subscriptions[0].status, "order_status": given.status}
    order = orders.get_order("O-1").order
    told["phase"] = order.subscriptions[0].order_actions[0].custom_fields
    told["sequence"] = order.subscriptions[0].order_actions[0].sequence
    subscription = api.subscriptions_api.SubscriptionsApi(client).get_subscription_by_key("S-1")
    (row,) = api.object_queries_api.ObjectQueriesApi(client).query_subscriptions(filter=["name.EQ:S-1"]).data
    told["queried"] = [
        row.name,
        row.status,
        row.is_latest_version,
        str(row.term_end_date) == str(row.subscription_end_date),
    ]
    told["charge"] = subscription.rate_plans[0].rate_plan_charges[0].number[:2]
    return told


def invoiced(client: Any) -> dict[str, Any]:
    control("bill-run", until="2026-04-15")
    queries, invoices = api.object_queries_api.ObjectQueriesApi(client), api.invoices_api.InvoicesApi(client)
    found: list[Any] = []
    cursor = None
    while True:
        page = queries.query_invoices(
            filter=["updatedDate.GE:2025-01-01T00:00:00Z"], sort=["updatedDate.ASC"], page_size=3, cursor=cursor
        )
        found += page.data
        cursor = page.next_page
        if not cursor:
            break
    first = invoices.get_invoice(found[0].id)
    items = invoices.get_invoice_items(found[0].id, page_size=40)
    item = items.invoice_items[0]
    return {
        "count": len(found), "numbers": len({each.invoice_number for each in found}), "status": first.status,
        "amount": str(first.amount), "net": str(first.amount_without_tax), "tax": str(item.tax_amount),
        "due": str(first.due_date), "item_sku": item.sku, "ends": str(item.service_end_date),
        "tax_rows": len(item.taxation_items.data), "missing": invoices.get_invoice("INV9").success,
    }  # fmt: skip


def used(client: Any) -> dict[str, Any]:
    usage = api.usage_api.UsageApi(client)
    row = {"AccountNumber": "ACME", "UOM": "calls", "Quantity": 5, "StartDateTime": "2026-01-31T00:00:00Z"}
    one = usage.create_usage(models.CreateUsageRequest.from_dict(row))
    csv = (
        b"ACCOUNT_ID,UOM,QTY,STARTDATE,ENDDATE,SUBSCRIPTION_ID,CHARGE_ID,DESCRIPTION\nACME,calls,7,01/31/2026,,,,b-1\n"
    )
    many = usage.upload_usage_file(file=csv)
    return {"one": one.success, "file": many.success, "size": many.size == len(csv)}


def failing(client: Any) -> dict[str, Any]:
    accounts = api.accounts_api.AccountsApi(client)
    told: dict[str, Any] = {}
    control("faults", name="business_failure", operation="read_account", times=1)
    refused = accounts.get_account("ACME")
    told["business"] = [refused.success, str(refused.reasons[0].code)]
    for name, status in (("too_many", "429"), ("unavailable", "503"), ("token_expired", "401")):
        control("faults", name=name, operation="read_account", value=9, times=1)
        try:
            accounts.get_account("ACME")
        except exceptions.ApiException as error:
            told[status] = [error.status, error.headers.get("Retry-After"), bool(error.headers.get("Zuora-Request-Id"))]
    tracked = accounts.get_account_with_http_info("ACME", zuora_track_id="a-b-c")
    told["track"] = tracked.headers["Zuora-Track-Id"]
    return told


client = connected()
found = {
    "customers": customers(client), "ordered": ordered(client), "invoiced": invoiced(client), "used": used(client),
    "failing": failing(client),
}  # fmt: skip
sys.stdout.write(json.dumps(found) + "\n")
sys.stdout.flush()
# Its refreshing thread would keep the program alive.
os._exit(0)
