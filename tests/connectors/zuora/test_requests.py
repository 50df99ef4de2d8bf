"""Every request of our client stands in Zuora's machine-readable contracts; skips visibly where those are not at hand.

Two are tried: the models of Zuora's current client (all operations, all fields), and the published description of the
order bodies, which knows the values that words like billingPeriod may have.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
import yaml

from q2c.connectors.http import Http
from q2c.contracts.documents import Billing, PriceTier
from tests.connectors.zuora.tenant import Tenant, charge, customer, finished, key, overage, subscription

pytestmark = pytest.mark.referee
SHARED = Path(os.environ.get("Q2C_SHARED") or Path(__file__).parents[4] / "shared") / "specs"
MODELS = SHARED / "zuora-sdk-3.21.0.derived-contract.json"
ORDERS = SHARED / "zuora-2023-12-15" / "zuora-orders-api-openapi.yml"
# Of HTTP and of ours, on every request.
ANY_HEADERS = {"content-type", "x-correlation-id", "traceparent"}


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    if not MODELS.exists():
        pytest.skip(f"{MODELS} is not here: set Q2C_SHARED")
    return dict(json.loads(MODELS.read_text()))


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    if not ORDERS.exists():
        pytest.skip(f"{ORDERS} is not here: set Q2C_SHARED")
    return dict(yaml.load(ORDERS.read_text(), Loader=yaml.CSafeLoader))


def everything_is_asked(tenant: Tenant) -> None:
    """Each method of the client, and each kind of charge, once."""
    client = tenant.client(entity_ids="e", org_ids="o", batch="Batch2")
    tenant.control.clock("2026-01-01T01:00:00Z")
    client.probe()
    client.put_customer(customer("HOLD-EUR"), key(0))
    client.put_customer(customer(parent="HOLD-EUR"), key(1))
    later = dt.date(2026, 7, 1)
    volume = overage(
        included_quantity="0",
        model="volume",
        tiers=(PriceTier(up_to="9", unit_price="1"), PriceTier(unit_price="0", flat_fee="5")),
    )
    metered = {"kind": "usage", "quantity": Decimal(0), "unit_price": Decimal(0), "amount_minor": 0}
    once = {"kind": "one_time", "quantity": Decimal(1), "price_period": "once", "billing": Billing(frequency="once")}
    document = subscription(
        charge(1, "IMPL", unit_price=Decimal("5000.50"), amount_minor=500_050, **once),
        charge(2, "IMPL", unit_price=Decimal(5000), amount_minor=450_000, **once),
        charge(3, "PLAT", ends_on=later, amount_minor=600_000, description="Seats"),
        charge(3, "PLAT", phase=2, starts_on=later, amount_minor=599_999, billing=Billing(frequency="quarterly", alignment="calendar_month", timing="in_arrears")),
        charge(4, "PLAT", price_period="year", amount_minor=100_000, billing=Billing(frequency="annual")),
        charge(5, "API", usage=overage(), **metered),
        charge(6, "API", usage=volume, **metered),
    )  # fmt: skip
    finished(client, client.create_subscription(document, key(2)), key(2))
    client.find_subscription(document, key(2))
    client.activate(document.key, 1, dt.date(2026, 1, 1), key(3))
    tenant.run("2026-03-01")
    for notice in client.changed_invoices(dt.datetime(2026, 1, 1, tzinfo=dt.UTC)):
        client.invoice(notice.reference)
    assert list(client.changed_subscriptions(dt.datetime(2026, 1, 1, tzinfo=dt.UTC)))
    client.cancel(document.key, later, key(4))


Sent = tuple[str, str, dict[str, str], Any]


@pytest.fixture(scope="module")
def sent() -> Iterator[list[Sent]]:
    """(method, address, headers, body) of all that the client sends."""
    found: list[Sent] = []
    patch = pytest.MonkeyPatch()
    send = Http._sent

    def noted(self: Http, call: Any) -> Any:
        if "/_control/" not in call.request.url:
            headers = {name.lower(): value for name, value in call.request.headers.items()}
            found.append((call.request.method, call.request.url, headers, call.request.body))
        return send(self, call)

    patch.setattr(Http, "_sent", noted)
    tenant = Tenant()
    everything_is_asked(tenant)
    tenant.control.reset()
    patch.undo()
    yield found


def operation_of(contract: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    for name, operation in sorted(contract["operations"].items(), key=lambda row: row[0].count("{")):
        verb, _, template = name.partition(" ")
        if verb == method and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path):
            return dict(operation)
    raise AssertionError(f"Zuora has no {method} {path}")


def below(url: str) -> str:
    return urlsplit(url).path.removeprefix("/zuora")


def test_all_methods_of_the_client_were_heard(sent: list[Sent]) -> None:
    asked = {f"{method} {re.sub(r'[0-9a-f]{32}|[A-Z]+-[A-Z0-9-]+', '*', below(url))}" for method, url, _, _ in sent}
    assert asked == {
        "POST /oauth/token", "GET /v1/catalog/products", "GET /v1/accounts/*", "POST /v1/accounts",
        "POST /v1/async/orders", "GET /v1/async-jobs/*", "GET /v1/orders/*", "PUT /v1/orders/*/triggerDates",
        "GET /object-query/invoices", "GET /v1/invoices/*", "GET /v1/invoices/*/items", "GET /v1/subscriptions/*",
        "GET /object-query/subscriptions", "POST /v1/orders",
    }  # fmt: skip


def test_addresses_parameters_and_headers_are_zuoras(sent: list[Sent], contract: dict[str, Any]) -> None:
    for method, url, headers, _ in sent:
        operation = operation_of(contract, method, below(url))
        allowed = {name.lower() for name in operation["headers"]} | ANY_HEADERS
        extra = {name for name in headers if name.startswith(("zuora", "idem", "x-"))} - allowed
        # The catalog's own headers are those of all v1 addresses.
        assert not extra, f"{method} {url}: {extra}"
        unknown = {name for name, _ in parse_qsl(urlsplit(url).query)} - set(operation["query"])
        assert not unknown, f"{method} {url}: {unknown}"
        assert ("idempotency-key" in headers) == (method == "POST" and below(url) != "/oauth/token")


def test_no_two_calls_share_an_idempotency_key(sent: list[Sent]) -> None:
    given = [headers["idempotency-key"] for _, _, headers, _ in sent if "idempotency-key" in headers]
    assert len(given) == len(set(given)) == 4 and all(len(each) <= 255 for each in given)


def test_the_token_is_asked_for_as_a_form(sent: list[Sent], contract: dict[str, Any]) -> None:
    (form,) = [body for _, url, _, body in sent if below(url) == "/oauth/token"]
    assert [name for name, _ in parse_qsl(form)] == ["grant_type", "client_id", "client_secret"]
    assert set(contract["operations"]["POST /oauth/token"]["form"]) >= {name for name, _ in parse_qsl(form)}


def test_bodies_fit_the_models_and_have_no_field_of_their_own(sent: list[Sent], contract: dict[str, Any]) -> None:
    bodies = [(method, url, json.loads(body)) for method, url, _, body in sent if body and "oauth" not in url]
    assert len(bodies) == 5
    for method, url, body in bodies:
        name = operation_of(contract, method, below(url))["body"]
        schema = {"$ref": f"#/$defs/{name}", "$defs": contract["$defs"]}
        jsonschema.Draft202012Validator(schema).validate(body)
        assert not list(unknown(contract["$defs"], contract["$defs"][name], body, name)), f"{method} {url}"


def unknown(defs: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
    """Fields that no model knows; custom fields are free."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        for each in value:
            yield from unknown(defs, schema.get("items", {}), each, where)
    if isinstance(value, dict) and schema.get("properties"):
        for name, member in value.items():
            if name.endswith("__c") or name == "customFields":
                continue
            if name not in schema["properties"]:
                yield f"{where}.{name}"
            else:
                yield from unknown(defs, schema["properties"][name], member, f"{where}.{name}")


def test_order_bodies_have_the_published_values(sent: list[Sent], published: dict[str, Any]) -> None:
    orders = {
        "/v1/async/orders": "/v1/async/orders", "/v1/orders": "/v1/orders",
        "/v1/orders/O-SO-1001-DE/triggerDates": "/v1/orders/{orderNumber}/triggerDates",
    }  # fmt: skip
    checked = 0
    for method, url, _, body in sent:
        if body and below(url) in orders:
            operation = published["paths"][orders[below(url)]][method.lower()]
            schema = next(each["schema"] for each in operation["parameters"] if each.get("in") == "body")
            # Swagger 2 is close to JSON Schema draft 4.
            jsonschema.Draft4Validator({**schema, "definitions": published["definitions"]}).validate(json.loads(body))
            checked += 1
    assert checked == 3
