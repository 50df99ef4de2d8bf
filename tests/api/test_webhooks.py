"""POST /api/v1/webhooks/<connection>: verified, remembered, fetched."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.test import Client

from q2c.engine import callouts
from q2c.models import Callout, Connection, Event
from tests.connectors.salesforce.test_webhook import LONG, OTHER, SHORT, signed
from tests.connectors.zuora.tenant import Tenant
from tests.intake import platforms
from tests.intake.platforms import Org
from tests.intake.test_poll import bill

pytestmark = pytest.mark.django_db
CRM, BILLING = "/api/v1/webhooks/crm", "/api/v1/webhooks/billing"


def push(path: str, body: bytes, headers: dict[str, str], kind: str = "application/json") -> Any:
    client = Client(raise_request_exception=False)
    return client.generic("POST", path, body, content_type=kind, headers=headers)


def test_a_signed_push_is_remembered_and_the_deal_fetched() -> None:
    org = Org()
    org.close("SO-1")
    body = json.dumps({"data": {"opportunityId": org.id_of("SO-1")}}).encode()
    for _ in range(2):
        answer = push(CRM, body, signed(body, secret=platforms.PUSH_SECRET))
        assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    callout = Callout.objects.get()
    assert (callout.reference, callout.done_at) == (org.id_of("SO-1"), None)
    assert callouts.fetch_called_out() == 1
    assert Event.objects.get().source_id.startswith(org.id_of("SO-1"))
    org.control.reset()


def test_what_is_not_signed_by_us_wakes_nobody() -> None:
    connection = platforms.salesforce()
    body = json.dumps({"opportunityId": SHORT}).encode()
    good = signed(body, secret=platforms.PUSH_SECRET)
    for headers, content in (
        ({}, body),
        (signed(body, secret=OTHER), body),
        (good, body.replace(b"AbCdE", b"AbCdF")),
        (signed(body, secret=platforms.PUSH_SECRET, age_s=400), body),
    ):
        answer = push(CRM, content, headers)
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert push(CRM, b"[]", signed(b"[]", secret=platforms.PUSH_SECRET)).status_code == 400
    connection.credentials = {}
    connection.save()
    assert push(CRM, body, good).status_code == 403
    assert push("/api/v1/webhooks/nobody", body, good).status_code == 404
    Connection.objects.update(active=False)
    assert push(CRM, body, good).status_code == 404
    assert Client().get(CRM).status_code == 405
    assert push(CRM, b"x" * 70_000, good).status_code == 413
    assert not Callout.objects.exists()


def test_several_at_once() -> None:
    platforms.salesforce()
    body = json.dumps({"opportunityIds": [SHORT, LONG, "0065g00000AbCdF"]}).encode()
    assert push(CRM, body, signed(body, secret=platforms.PUSH_SECRET)).json() == {"accepted": 2}


def test_a_callout_from_billing_only_wakes() -> None:
    tenant = Tenant()
    platforms.zuora()
    bill(tenant)
    invoice = tenant.control.records("invoice")[0]
    body = json.dumps({"InvoiceId": invoice["id"], "Amount": "1.00"}).encode()
    assert push(BILLING, body, {}).status_code == 401
    assert push(BILLING, body, {})["WWW-Authenticate"].startswith("Basic")
    basic = {"Authorization": "Basic " + base64.b64encode(b"q2c:let me in").decode()}
    assert push(BILLING, body, basic).status_code == 200
    assert callouts.fetch_called_out() == 1
    event = Event.objects.get()
    assert (event.type, event.source) == ("InvoiceIssued", "billing")
    assert '"total_minor":100' not in event.payload, "the fetched invoice is the fact, not what the callout says"
    tenant.control.reset()
