"""Not let in at all, or let in and not there: the first is over once a probe is answered, the second no probe tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from q2c.connectors.avatax import refusals as avatax
from q2c.connectors.credit.client import CreditService
from q2c.connectors.http import Answer
from q2c.connectors.netsuite import refusals as netsuite
from q2c.connectors.outcomes import Blocker, Rejected
from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.salesforce import client as salesforce
from q2c.connectors.tryton import door as tryton
from q2c.connectors.zuora import refusals as zuora
from q2c.reasons import Reason

IN, THERE = "credentials_refused", "permission_missing"


def _netsuite(code: str) -> dict[str, Any]:
    return {"o:errorDetails": [{"detail": "no", "o:errorCode": code}]}


def _zuora(code: int) -> dict[str, Any]:
    return {"success": False, "reasons": [{"code": code, "message": "no"}]}


# (vendor, status, body, condition of the connection that is in the way)
TABLE: list[tuple[str, int, Any, str]] = [
    ("netsuite", 401, _netsuite("INVALID_LOGIN"), IN),
    ("netsuite", 403, _netsuite("INSUFFICIENT_PERMISSION"), THERE),
    ("netsuite", 400, _netsuite("INSUFFICIENT_PERMISSION"), THERE),
    ("tryton", 401, {}, IN),
    ("tryton", 403, {}, THERE),
    ("credit", 401, {"code": "unauthorised"}, IN),
    # Some gateways say so of a key that they do not know.
    ("credit", 403, {"code": "unauthorised"}, IN),
    ("credit", 403, {}, THERE),
    ("avatax", 401, {"error": {"code": "AuthenticationException"}}, IN),
    ("avatax", 400, {"error": {"code": "AuthenticationException"}}, IN),
    ("avatax", 400, {"error": {"code": "AuthorizationException"}}, THERE),
    ("avatax", 403, {}, THERE),
    ("zuora", 401, {}, IN),
    ("zuora", 200, _zuora(90000011), IN),
    ("zuora", 200, _zuora(90000010), THERE),
    ("zuora", 403, {}, THERE),
    ("salesforce", 401, [{"errorCode": "INVALID_SESSION_ID"}], IN),
    # The API as such: what probes ask is refused, too.
    ("salesforce", 403, [{"errorCode": "API_DISABLED_FOR_ORG"}], IN),
]


def refused(vendor: str, answer: Answer) -> Any:
    if vendor == "netsuite":
        return netsuite.outcome_of(answer)
    if vendor == "tryton":
        return tryton.outcome_of(answer)
    if vendor == "credit":
        service = CreditService(
            ConnectionConfig(name="x", vendor="credit", base_url="http://127.0.0.1:9", credentials={})
        )
        return service._refused(answer, "C-1")
    if vendor == "avatax":
        return avatax.refused(answer, answer.connection)
    if vendor == "zuora":
        told = zuora.reasons_of(answer)
        assert told is not None
        return zuora.outcome_of(answer, told, Reason.REQUEST_REFUSED, writes=True)
    return salesforce.refused(answer, writes=True)


@pytest.mark.parametrize(("vendor", "status", "body", "condition"), TABLE)
def test_what_stands_in_the_way_of_a_call_that_is_refused(vendor: str, status: int, body: Any, condition: str) -> None:
    outcome = refused(vendor, Answer(status, {}, json.dumps(body).encode(), 0.1, "x"))
    assert isinstance(outcome, Rejected) and outcome.reason == Reason.CREDENTIALS_REFUSED
    assert outcome.blocker == Blocker(connection="x", object_type="connection", object_key="x", condition=condition)


def test_a_record_that_salesforce_does_not_let_us_change_is_no_matter_of_the_connection() -> None:
    """It may be that record, that field, or its state."""
    body = json.dumps([{"errorCode": "INSUFFICIENT_ACCESS_OR_READONLY", "message": "no"}]).encode()
    outcome = salesforce.refused(Answer(403, {}, body, 0.1, "crm"), writes=True)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.blocker) == (Reason.REQUEST_REFUSED, None)
