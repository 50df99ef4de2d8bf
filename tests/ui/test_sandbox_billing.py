"""What a billing person does in the billing sandbox, on its pages: void or re-date an invoice, cancel a subscription or
take that back, run billing.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from html import unescape
from typing import Any

import pytest

from q2c.connectors.outcomes import Rejected
from q2c.contracts.documents import InvoiceDocument
from tests.connectors.zuora.tenant import Tenant, provisioned, subscription
from tests.ui.people import page, person, read

pytestmark = pytest.mark.django_db
INVOICES, SUBSCRIPTIONS = "/sandbox/zuora/records/invoice", "/sandbox/zuora/records/subscription"


@pytest.fixture
def tenant(client: Any) -> Any:
    """One subscription, which is billed, and a web address that is called of what is posted."""
    found = Tenant()
    found.control.seed(callout={"url": "http://127.0.0.1:1/", "tries": 1})
    provisioned(found.client(), subscription())
    found.run("2026-01-01")
    client.force_login(person("bea", "q2c.use_sandbox"))
    yield found
    found.control.reset()


def number_of(tenant: Tenant) -> str:
    (record,) = tenant.control.records("invoice")
    return str(record["number"])


def told(tenant: Tenant) -> int:
    """How often the tenant has called out an invoice."""
    return len(tenant.control.records("callout"))


def acted(client: Any, kind: str, **form: str) -> str:
    return sent(client, f"{kind}/act", **form)


def sent(client: Any, address: str, **form: str) -> str:
    """The messages after a form was sent."""
    answer = client.post(address, form, follow=True)
    assert answer.status_code == 200, answer.status_code
    return unescape(" ".join(re.sub(r"<[^>]+>", "", str(message)) for message in answer.context["messages"]))


def test_an_invoice_is_found_by_its_number_redated_and_voided(client: Any, tenant: Tenant) -> None:
    number, before = number_of(tenant), told(tenant)
    held = tenant.client().invoice(number)
    assert isinstance(held, InvoiceDocument)
    shown = read(client, f"{INVOICES}?find={number}")
    assert number in shown and "Posted" in shown and "1 to 1 of 1" in shown
    assert f"Void: {number}" in page(client, f"{INVOICES}?find={number}")
    said = acted(client, INVOICES, key=number, verb="redate-invoice", on="2026-01-04")
    assert f"{number}: dated Jan 4, 2026 now in Zuora." in said and "callout" in said
    moved = tenant.client().invoice(number)
    assert isinstance(moved, InvoiceDocument) and moved.issued_on == dt.date(2026, 1, 4)
    assert moved.due_on - moved.issued_on == held.due_on - held.issued_on
    assert f"{number}: voided in Zuora." in acted(client, INVOICES, key=number, verb="void-invoice")
    assert isinstance(tenant.client().invoice(number), Rejected)
    (account,) = tenant.control.records("account")
    assert account["body"]["balance"] == 0 and told(tenant) == before + 2
    text = page(client, f"{INVOICES}?find={number}")
    assert "Canceled" in text and "Void:" not in text and "nothing more" in text
    assert "is Canceled already" in acted(client, INVOICES, key=number, verb="void-invoice")
    assert told(tenant) == before + 2


def test_a_subscription_is_cancelled_as_of_a_day_and_its_next_bill_run_credits_it(client: Any, tenant: Tenant) -> None:
    (record,) = tenant.control.records("subscription")
    number = record["number"]
    assert f"Cancel: {number}" in page(client, SUBSCRIPTIONS)
    assert "must lie in the current term" in acted(
        client, SUBSCRIPTIONS, key=number, verb="cancel-subscription", on="2020-01-01"
    )
    said = acted(client, SUBSCRIPTIONS, key=number, verb="cancel-subscription", on="2026-01-15")
    assert f"{number}: cancelled as of Jan 15, 2026 in Zuora." in said and "bill run" in said
    text = page(client, SUBSCRIPTIONS)
    assert "Jan 15, 2026" in text and "Cancel:" not in text and f"Take back the cancellation: {number}" in text
    (credit,) = tenant.run("2026-01-15")["invoiceNumbers"]
    credited = tenant.client().invoice(credit)
    assert isinstance(credited, InvoiceDocument) and credited.total_minor < 0
    assert "cancelled already" in acted(client, SUBSCRIPTIONS, key=number, verb="cancel-subscription", on="2026-01-15")
    assert "was credited" in acted(client, SUBSCRIPTIONS, key=number, verb="keep-subscription")
    assert "Jan 15, 2026" in page(client, SUBSCRIPTIONS)


def test_a_cancellation_is_taken_back_until_it_was_credited(client: Any, tenant: Tenant) -> None:
    (before,) = tenant.control.records("subscription")
    number = before["number"]
    assert "is not cancelled" in acted(client, SUBSCRIPTIONS, key=number, verb="keep-subscription")
    acted(client, SUBSCRIPTIONS, key=number, verb="cancel-subscription", on="2026-01-15")
    said = acted(client, SUBSCRIPTIONS, key=number, verb="keep-subscription")
    assert f"{number}: goes on to the end of its term in Zuora." in said
    (after,) = tenant.control.records("subscription")
    assert after["body"] == {**before["body"], "nextBillOn": after["body"]["nextBillOn"]}
    text = page(client, SUBSCRIPTIONS)
    assert f"Cancel: {number}" in text and "Take back the cancellation" not in text
    assert tenant.run("2026-01-15")["invoiceNumbers"] == []


def ran(client: Any, until: str, **form: str) -> str:
    return sent(client, "/sandbox/zuora/run", verb="bill-run", until=until, **form)


def test_billing_is_run_up_to_a_day_and_says_how_many_invoices_it_posted(client: Any, tenant: Tenant) -> None:
    (record,) = tenant.control.records("subscription")
    acted(client, SUBSCRIPTIONS, key=record["number"], verb="cancel-subscription", on="2026-01-15")
    for where in ("/sandbox/zuora", SUBSCRIPTIONS, INVOICES):
        assert "Run billing until" in page(client, where)
    assert "Run billing" not in page(client, "/sandbox/netsuite")
    said = ran(client, "2026-01-15")
    assert "Zuora: billing ran until Jan 15, 2026; it posted 1 invoice." in said and "Invoices" in said
    credit = max(tenant.control.records("invoice"), key=lambda one: one["number"])
    assert Decimal(credit["body"]["amount"]) < 0 and credit["body"]["status"] == "Posted"
    # The same once more has nothing to bill.
    assert "nothing was due that is not billed yet." in ran(client, "2026-01-15")
    assert len(tenant.control.records("invoice")) == 2


def test_a_bill_run_says_whom_it_left_out(client: Any, tenant: Tenant) -> None:
    (account,) = tenant.control.records("account")
    tenant.control.edit("account", account["id"], status="Canceled")
    said = ran(client, "2026-03-01")
    assert "nothing was due" in said and "left out, since the account is not active: 1 subscription" in said


def test_billing_is_run_from_the_page_that_a_person_is_on_and_leads_back_there(client: Any, tenant: Tenant) -> None:
    back = f"{SUBSCRIPTIONS}?find=S-"
    answer = client.post("/sandbox/zuora/run", {"verb": "bill-run", "until": "2026-01-02", "back": back})
    assert answer["Location"] == back
    for elsewhere in ("https://elsewhere.test/", "/sandbox/netsuite", ""):
        answer = client.post("/sandbox/zuora/run", {"verb": "bill-run", "until": "2026-01-02", "back": elsewhere})
        assert answer["Location"] == "/sandbox/zuora"


@pytest.mark.parametrize("until", ["", "soon", "0001-01-01", "2062-01-01"])
def test_a_day_that_billing_is_not_run_to_is_said(client: Any, tenant: Tenant, until: str) -> None:
    assert "Run billing until: choose a day, at the latest" in ran(client, until)
    assert len(tenant.control.records("invoice")) == 1


def test_what_a_sandbox_does_not_run_is_not_found(client: Any, tenant: Tenant) -> None:
    for vendor, verb in (("zuora", "reset"), ("zuora", ""), ("netsuite", "bill-run")):
        answer = client.post(f"/sandbox/{vendor}/run", {"verb": verb, "until": "2026-01-31"})
        assert answer.status_code == 404
    client.force_login(person("ada", "q2c.view_order"))
    assert client.post("/sandbox/zuora/run", {"verb": "bill-run", "until": "2026-01-31"}).status_code == 403


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"verb": "void-invoice"}, "names no record"),
        ({"verb": "void-invoice", "key": "INV-NO"}, "there is no invoice INV-NO"),
        ({"verb": "redate-invoice", "key": "INV-NO"}, "New date is missing or no date"),
        ({"verb": "redate-invoice", "key": "INV-NO", "on": "0001-01-01"}, "New date is missing or no date"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is(
    client: Any, tenant: Tenant, form: dict[str, str], why: str
) -> None:
    before = tenant.control.records("invoice")
    assert why in acted(client, INVOICES, **form)
    assert tenant.control.records("invoice") == before


def test_nothing_else_is_done_by_it_and_only_with_the_right(client: Any, tenant: Tenant) -> None:
    for verb in ("bill-run", "copy-invoice", "cancel-subscription", ""):
        assert client.post(f"{INVOICES}/act", {"verb": verb, "key": number_of(tenant)}).status_code == 404
    client.force_login(person("otto", "q2c.view_step"))
    assert client.post(f"{INVOICES}/act", {"verb": "void-invoice", "key": number_of(tenant)}).status_code == 403
