"""Avalara's own client against the sandbox, and our requests against the published schema."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from avalara import AvataxClient

from q2c.connectors.avatax import mapping
from q2c.connectors.http import json_body
from q2c.contracts.documents import Address
from tests.connectors.avatax import account
from tests.connectors.avatax.account import CREDENTIALS, asked
from tests.connectors.control import sandbox_url

pytestmark = pytest.mark.referee
SHARED = Path(os.environ.get("Q2C_SHARED") or Path(__file__).parents[4] / "shared")
SPEC = SHARED / "specs" / "avatax-v2.ballerina.openapi.yaml"


@pytest.fixture
def client(avatax) -> AvataxClient:
    found = AvataxClient("q2c tests", "1", "here", sandbox_url("avatax"), timeout_limit=10)
    return found.add_credentials(CREDENTIALS["account_id"], CREDENTIALS["license_key"])


def sale(**changes: Any) -> dict[str, Any]:
    place = {"city": "Philadelphia", "country": "US", "region": "PA", "postalCode": "19147"}
    line = {"number": "1", "quantity": 1, "amount": 2400, "taxCode": "SOFTWARE", "itemCode": "X"}
    return {
        "type": "SalesInvoice", "companyCode": "US01", "code": "INV-1", "date": "2026-02-01", "customerCode": "A-1",
        "currencyCode": "USD", "commit": False, "addresses": {"SingleLocation": place}, "lines": [line], **changes,
    }  # fmt: skip


def test_ping_tells_who_asks(client):
    assert client.ping().json()["authenticated"] is True
    stranger = AvataxClient("q2c", "1", "here", sandbox_url("avatax")).add_credentials("1", "2")
    answer = stranger.ping()
    assert (answer.status_code, answer.json()["authenticationType"]) == (200, "None")
    refused = stranger.create_transaction(sale())
    assert refused.status_code == 401
    assert "target" not in refused.json()["error"]


def test_orders_are_not_kept_and_invoices_are(client):
    order = client.create_transaction(sale(type="SalesOrder", code="EST-1"))
    assert (order.status_code, order.json()["id"], order.json()["status"]) == (201, 0, "Temporary")
    assert order.headers["Location"].endswith("/transactions/0")
    assert client.get_transaction_by_code("US01", "EST-1").status_code == 404
    invoice = client.create_transaction(sale(), {"$include": "Lines,Details"})
    assert (invoice.json()["status"], invoice.json()["totalTax"]) == ("Saved", 192.0)
    assert [detail["jurisType"] for detail in invoice.json()["lines"][0]["details"]] == ["STA", "CTY"]
    assert client.get_transaction_by_code("US01", "INV-1").json()["paymentDate"] == "1900-01-01"


def test_a_committed_document_is_not_written_over(client):
    assert client.create_transaction(sale()).status_code == 201
    assert client.create_transaction(sale(commit=True)).json()["status"] == "Committed"
    again = client.create_transaction(sale())
    detail = again.json()["error"]["details"][0]
    assert (again.status_code, detail["number"], detail["refersTo"]) == (400, 300, "DocStatus")
    assert client.void_transaction("US01", "INV-1", {"code": "DocVoided"}).json()["status"] == "Cancelled"
    assert client.commit_transaction("US01", "INV-1", {"commit": True}).status_code == 400


def test_summaries_name_the_kind_of_jurisdiction_in_words(client):
    found = client.create_transaction(sale()).json()
    assert "lines" not in found
    assert [(row["jurisType"], row["tax"]) for row in found["summary"]] == [("State", 144.0), ("County", 48.0)]


@pytest.mark.parametrize(
    ("changes", "code", "number", "target"),
    [
        ({"lines": []}, "MissingLine", 311, "HttpRequestHeaders"),
        ({"type": "Sale"}, "JsonFormatError", 47, "HttpRequest"),
        ({"code": "X" * 51}, "StringLengthError", 13, "IncorrectData"),
        ({"companyCode": "NONE"}, "CompanyNotFoundError", 38, "CustomerAccountSetup"),
        ({"customerCode": ""}, "ValueRequiredError", 5, "Unknown"),
    ],
)
def test_errors(client, changes, code, number, target):
    answer = client.create_transaction(sale(**changes))
    error = answer.json()["error"]
    assert answer.headers["x-correlation-id"]
    assert (answer.status_code, error["details"][0]["code"], error["details"][0]["number"], error["target"]) == (
        400, code, number, target,
    )  # fmt: skip


def test_companies_and_their_nexus(client):
    found = client.query_companies({"$filter": "companyCode eq 'US01'"}).json()
    assert (found["@recordsetCount"], found["value"][0]["companyCode"]) == (1, "US01")
    nexus = client.list_nexus_by_company(found["value"][0]["id"]).json()["value"]
    assert [(row["country"], row["region"]) for row in nexus] == [("US", "PA"), ("US", "OR"), ("JP", "")]


def test_a_timeout_that_was_asked_for(client, avatax):
    avatax.seed(force_timeout_s=0)
    answer = client.create_transaction(sale(), {"$include": "ForceTimeout"})
    assert answer.json()["error"]["details"][0]["code"] == "TimeoutRequested"


# The published schema


@pytest.fixture(scope="module")
def validate():
    if not SPEC.exists():
        pytest.skip(f"the published schema is not at {SPEC}")
    import jsonschema
    import yaml

    document = yaml.load(SPEC.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    schemas = document["components"]["schemas"]

    def check(name: str, instance: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        jsonschema.Draft4Validator(schema).validate(instance)
        _known(schemas, name, instance)

    return check


def _known(schemas: dict[str, Any], name: str, instance: dict[str, Any]) -> None:
    """The schema allows what it does not know; AvaTax ignores it, which is how a misspelt field goes unnoticed."""
    known = schemas[name]["properties"]
    assert set(instance) <= set(known), f"{name} has no {set(instance) - set(known)}"
    for field, value in instance.items():
        inner = known[field].get("$ref") or known[field].get("items", {}).get("$ref", "")
        for member in value if isinstance(value, list) else [value]:
            if inner and isinstance(member, dict):
                _known(schemas, inner.rpartition("/")[2], member)


REQUESTS = [
    asked(),
    asked((1, "", "X", 0), (9999, "T" * 25, "I" * 50, -999_999_999_999)),
    asked(currency="JPY", ship_to=account.TOKYO, ship_from=account.MUNICH),
    asked(ship_to=Address(country="DE", line1="x" * 500, city="y" * 500)),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_our_requests_fit_the_published_schema(validate, request_):
    body = mapping.transaction(request_, {"ship_from": {"US01": {"country": "US", "region": "CA"}}})
    # As it stands on the wire.
    validate("CreateTransactionModel", msgspec.json.decode(json_body(body)))


def test_the_sandbox_answers_in_the_published_schema(validate, client):
    found = client.create_transaction(sale(), {"$include": "Lines,Details"}).json()
    validate("TransactionModel", found)
    validate("PingResultModel", client.ping().json())
    assert Decimal(str(found["totalTax"])) == 192
