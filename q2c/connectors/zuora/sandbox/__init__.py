"""A stand-in Zuora tenant: OAuth, accounts, orders with jobs, subscriptions, bill runs, invoices, usage, callouts.

Seed it with POST /zuora/_control/seed, all parts optional, repeatable:

    {"clients":   [{"client_id": "…", "client_secret": "…"}],
     "products":  [{"sku": "SUB-ENT", "name": "Enterprise", "tax_code": "SaaS", "uom": "API calls"}],
     "tax_rates": [{"country": "DE", "region": "", "tax_code": "", "name": "VAT", "rate": "0.19"}],
     "accounts":  [{a body of POST /v1/accounts}], "usage": [{a body of POST /v1/object/usage}],
     "zone": "UTC", "job_s": 0.5, "token_life_s": 3599, "failure_status": 200 or 400,
     "required_dates": ["ServiceActivation"],
     "callout": {"url": "…", "username": "…", "password": "…", "hmac_secret": "…"} or null}

Each product gets a rate plan for each kind and model of charge. A rate without region or tax code holds for all; of
two rates of one name the one with the tax code wins.

Further control addresses, all POST:

    bill-run       {"until": "2026-03-31"}: posted invoices for all that is due up to the date and not billed, each
                   with its own bill date; "account" narrows to one, "post": false leaves drafts
    usage          {"usage": […]}
    post-invoices  {"numbers": […]} or {}: posts drafts
    callout        {"numbers": […]}: announces invoices once more
    expire-tokens  {}
    copy-invoice   {"number": …}: a second invoice for the same charges, as somebody makes it by hand
    redate-invoice {"number": …, "on": "2026-03-31"}: unposted, given another date, and posted again
    void-invoice   {"number": …}: cancelled, and owed no more
    cancel-subscription {"number": …, "on": "2026-03-31"}: by an order of a person in billing
    keep-subscription {"number": …}: that order is deleted, unless what it ended was credited

Beside those every sandbox has: reset, clock {"now": instant}, faults, records/<kind>, state.
"""

from __future__ import annotations

from q2c import keys
from q2c.connectors.sandbox_kit import Answer, Fault, Request, Sandbox
from q2c.connectors.zuora.sandbox import (
    accounts,
    auth,
    by_hand,
    catalog,
    invoices,
    orders,
    running,
    seeding,
    subscriptions,
    usage,
)
from q2c.connectors.zuora.sandbox.answers import GENERAL, LIMIT, RULE, answered, said

sandbox = Sandbox("zuora", "Zuora")
sandbox.seed = seeding.seed  # type: ignore[assignment]
sandbox.on_control = {
    "bill-run": running.bill_run,
    "usage": seeding.put_usage,
    "post-invoices": seeding.post_invoices,
    "callout": seeding.call_out,
    "expire-tokens": seeding.expire_tokens,
    "copy-invoice": by_hand.copy_invoice,
    "redate-invoice": by_hand.redate_invoice,
    "void-invoice": by_hand.void_invoice,
    "cancel-subscription": by_hand.cancel_subscription,
    "keep-subscription": by_hand.keep_subscription,
}
sandbox.acts = {
    "invoice": ("redate-invoice", "void-invoice"),
    "subscription": ("cancel-subscription", "keep-subscription"),
}
sandbox.runs = ("bill-run",)
sandbox.editable = {"account": ("status", "name"), "product": ("active", "name")}
sandbox.before = auth.admit
sandbox.batches = {"create_usages"}


def _too_many(fault: Fault) -> Answer:
    text = "Your total number of concurrent requests have exceeded the limit allowed by the system. Please retry later."
    answer = said(GENERAL * 100 + LIMIT, text, 429)
    wait = f"{fault.value:g}"
    limits = {"RateLimit-Remaining": "0", "RateLimit-Reset": wait, "Concurrency-Limit-Remaining": "0"}
    answer.headers = {"Retry-After": wait, **limits}
    return answer


def _headers(request: Request) -> dict[str, str]:
    track = request.headers.get("zuora-track-id", "")[:64]
    found = {
        "Zuora-Request-Id": str(keys.new_id()), "RateLimit-Limit": "50000, 50000;window=60",
        "RateLimit-Remaining": "49999", "RateLimit-Reset": "60", "Concurrency-Limit-Type": "Default",
        "Concurrency-Limit-Limit": "40", "Concurrency-Limit-Remaining": "39",
    }  # fmt: skip
    return {**found, "Zuora-Track-Id": track} if track else found


def _not_found(request: Request) -> Answer:
    if any(route.pattern.match(request.path) for route in sandbox.routes):
        return said(GENERAL * 100 + 45, f"method '{request.method}' not supported", 405)
    return Answer(404, {"message": "no Route matched with those values"})


sandbox.too_many = _too_many
sandbox.default_headers = _headers
sandbox.not_found = _not_found
sandbox.token_expired = lambda fault: auth.expired()
sandbox.unavailable = lambda fault: Answer(503, "Service Unavailable", {"Retry-After": "5"})
sandbox.business_failure = lambda fault, request: said(
    531003 * 100 + RULE, "A validation rule of this tenant refuses the request"
)

for _method, _path, _operation, _handler in (
    ("POST", "/v1/accounts", "create_account", accounts.create),
    ("GET", "/v1/accounts/{key}", "read_account", accounts.read),
    ("PUT", "/v1/accounts/{key}", "update_account", accounts.update),
    ("GET", "/v1/catalog/products", "catalog", catalog.products),
    ("GET", "/v1/catalog/product/{key}", "catalog", catalog.product),
    ("POST", "/v1/orders", "create_order", orders.create),
    ("POST", "/v1/async/orders", "create_order_async", orders.create_async),
    ("GET", "/v1/async-jobs/{id}", "read_job", orders.job),
    ("GET", "/v1/orders/subscription/{number}", "read_orders", orders.of_subscription),
    ("GET", "/v1/orders/{number}", "read_order", orders.read),
    ("PUT", "/v1/orders/{number}/triggerDates", "activate", orders.set_dates),
    ("GET", "/v1/subscriptions/accounts/{key}", "read_subscriptions", subscriptions.of_account),
    ("GET", "/v1/subscriptions/{key}", "read_subscription", subscriptions.read),
    ("GET", "/v1/invoices/{key}", "read_invoice", invoices.read),
    ("GET", "/v1/invoices/{key}/items", "read_invoice_items", invoices.items),
    ("GET", "/object-query/invoices", "query_invoices", invoices.query),
    ("GET", "/object-query/subscriptions", "query_subscriptions", subscriptions.query),
    ("POST", "/v1/object/usage", "create_usage", usage.create),
    ("POST", "/v1/action/create", "create_usages", usage.create_many),
    ("POST", "/v1/usage", "upload_usage", usage.upload),
    ("GET", "/v1/usage/accounts/{key}", "read_usage", usage.of_account),
    ("GET", "/v1/usage/{id}/status", "read_usage_status", usage.status),
):
    sandbox.route(_method, _path, _operation)(answered(_handler))
# OAuth has no keys and no success:false.
sandbox.route("POST", "/oauth/token", "token")(auth.token)
