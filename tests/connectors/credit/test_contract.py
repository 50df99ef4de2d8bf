"""The HTTP contract of docs/connectors/credit.md, spoken without the connector."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.connectors.control import sandbox_url
from tests.connectors.credit.limits import KEY

CHECK = {"customer": {"id": "C-1", "name": "Globex", "country": "US"}, "amount": {"currency": "USD", "value": "1.00"}}


def ask(method: str, path: str, document: Any = None, *, key: str = "", body: bytes = b"") -> requests.Response:
    headers = {"Authorization": f"Bearer {KEY}", **({"Idempotency-Key": key} if key else {})}
    return requests.request(
        method, f"{sandbox_url('credit')}{path}", headers=headers, json=document, data=body or None, timeout=10
    )


def test_the_same_key_gives_the_same_answer(credit):
    first = ask("POST", "/v1/credit-checks", CHECK, key='"k-1"')
    credit.edit("customer", "C-1", hard_limit="0", soft_limit="0")
    again = ask("POST", "/v1/credit-checks", CHECK, key='"k-1"')
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    assert ask("POST", "/v1/credit-checks", CHECK, key='"k-2"').json()["decision"] == "decline"
    assert ask("GET", f"/v1/credit-checks/{first.json()['id']}").json() == first.json()


def test_the_same_key_for_another_check_is_refused(credit):
    ask("POST", "/v1/credit-checks", CHECK, key="k-1")
    other = ask("POST", "/v1/credit-checks", {**CHECK, "amount": {"currency": "USD", "value": "2.00"}}, key="k-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


@pytest.mark.parametrize(
    ("document", "status", "code", "pointer"),
    [
        ([], 400, "malformed", None),
        ({}, 422, "field_missing", "/customer/id"),
        ({**CHECK, "amount": {"currency": "USD", "value": 1.5}}, 422, "field_missing", "/amount/value"),
        ({**CHECK, "amount": {"currency": "USD", "value": "1.005"}}, 422, "amount_invalid", "/amount"),
        ({**CHECK, "amount": {"currency": "USD", "value": "NaN"}}, 422, "amount_invalid", "/amount"),
        ({**CHECK, "amount": {"currency": "XXX", "value": "1"}}, 422, "amount_invalid", "/amount"),
        ({**CHECK, "customer": {"id": "C-99"}}, 404, "customer_unknown", "/customer/id"),
    ],
)
def test_errors_are_problem_details(credit, document, status, code, pointer):
    answer = ask("POST", "/v1/credit-checks", document)
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert [error["pointer"] for error in problem["errors"]] == ([pointer] if pointer else [])


def test_a_body_that_is_no_json(credit):
    answer = ask("POST", "/v1/credit-checks", body=b"{")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_other_addresses_are_not_found(credit):
    assert ask("GET", "/v1/other").status_code == 404
    assert ask("GET", "/v1/credit-checks/CC-1").json()["code"] == "not_found"


def test_a_seed_with_too_many_digits_is_refused(credit):
    customer = {"id": "C-9", "currency": "JPY", "soft_limit": "1.5", "hard_limit": "2"}
    answer = credit.call("POST", "seed", {"customers": [customer]})
    assert (answer.status_code, "decimals" in answer.json()["error"]) == (400, True)
