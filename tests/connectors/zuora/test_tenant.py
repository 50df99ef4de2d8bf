"""The stand-in's own rules, as a client that is careless would meet them: codes, usage in batches, files, queries."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from q2c.connectors.http import Answer, Http, json_body
from q2c.connectors.outcomes import Posted
from q2c.connectors.zuora.client import Zuora
from q2c.connectors.zuora.refusals import reasons_of
from q2c.contracts.documents import InvoiceDocument
from tests.connectors.zuora.tenant import Tenant, customer, key, provisioned, subscription

CONTACT = {"firstName": "Ada", "lastName": "Byron", "country": "DE"}
ACCOUNT = {"name": "Acme", "currency": "EUR", "billToContact": CONTACT}
ACTION = {
    "type": "CreateSubscription",
    "triggerDates": [{"name": "ContractEffective", "triggerDate": "2026-01-01"}],
    "createSubscription": {"terms": {"initialTerm": {"termType": "TERMED", "period": 12, "periodType": "Month"}}},
}


def said(client: Zuora, method: str, path: str, body: Any) -> str:
    """The code of the refusal; empty when it was none."""
    reasons = reasons_of(client.session.send(method, path, body=body))
    return reasons.code if reasons else ""


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "50000022"),
        ({**ACCOUNT, "billToContact": {"firstName": "Ada"}}, "50000022"),
        ({**ACCOUNT, "currency": "XXX"}, "50000020"),
        ({**ACCOUNT, "billCycleDay": 32}, "50000020"),
        ({**ACCOUNT, "parentId": "nobody"}, "50000040"),
        ([1], "90000090"),
        (ACCOUNT, ""),
    ],
)
def test_accounts(client: Zuora, body: Any, code: str) -> None:
    assert said(client, "POST", "/v1/accounts", body) == code


def test_an_account_is_not_its_own_grandparent(client: Zuora) -> None:
    for each in ("TOP", "MIDDLE", "LOW"):
        above = {"MIDDLE": "TOP", "LOW": "MIDDLE"}.get(each)
        client.put_customer(customer(each, parent=above), key(each))
    assert said(client, "PUT", "/v1/accounts/TOP", {"parentId": "LOW"}) == "50000030"
    assert said(client, "PUT", "/v1/accounts/LOW", {"parentId": "TOP"}) == ""


def order(**more: Any) -> dict[str, Any]:
    body = {"orderDate": "2026-01-01", "existingAccountNumber": "ACME-EUR"}
    return {**body, "subscriptions": [{"orderActions": [{**ACTION, **more}]}]}


def created(**more: Any) -> dict[str, Any]:
    return {"createSubscription": {**ACTION["createSubscription"], **more}}  # type: ignore[dict-item]


ORDERS = {
    "no date": ({"existingAccountNumber": "ACME-EUR"}, "53100320"),
    "no account": ({"orderDate": "2026-01-01"}, "53100322"),
    "an unknown account": ({**order(), "existingAccountNumber": "NOBODY"}, "50000040"),
    "nothing ordered": ({**order(), "subscriptions": []}, "53100322"),
    "an unknown kind": (order(type="Gift"), "53100320"),
    "a kind that the stand-in does not do": (order(type="Suspend"), "53100330"),
    "no contract date": (order(triggerDates=[]), "53100322"),
    "dates out of order": (
        order(triggerDates=[{"name": "ContractEffective", "triggerDate": "2026-02-01"},
                            {"name": "ServiceActivation", "triggerDate": "2026-01-01"}]),
        "53100330",
    ),
    "an unknown term": (order(**created(terms={"initialTerm": {"termType": "FOREVER"}})), "53100320"),
    "another currency than the account's": (order(**created(currency="USD")), "53100330"),
    "no rate plan": (order(), "53100322"),
    "an unknown charge": (
        order(**created(subscribeToRatePlans=[{"productRatePlanId": "x", "chargeOverrides": [
            {"productRatePlanChargeId": "y"}]}])),
        "53100340",
    ),
    "a subscription that is not there": (
        order(type="CancelSubscription", cancelSubscription={"cancellationPolicy": "EndOfCurrentTerm"}), "53100340",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDERS)
def test_orders_at_once_and_as_jobs(tenant: Tenant, client: Zuora, name: str) -> None:
    body, code = ORDERS[name]
    client.put_customer(customer(), key(1))
    assert said(client, "POST", "/v1/orders", body) == code
    job = client.session.send("POST", "/v1/async/orders", body=body).json()["jobId"]
    told = client.session.send("GET", f"/v1/async-jobs/{job}").json()
    assert (told["status"], str(told["result"]["reasons"][0]["code"])) == ("Failed", code)
    assert tenant.control.records("subscription") == []


def test_a_key_is_remembered_with_its_failure_and_not_beside_other_content(client: Zuora) -> None:
    def send(body: dict[str, Any]) -> Answer:
        return client.session.send("POST", "/v1/accounts", body=body, idempotency_key="once")

    refused = send({**ACCOUNT, "parentId": "TOP"})
    client.put_customer(customer("TOP"), key(1))
    again = send({**ACCOUNT, "parentId": "TOP"})
    assert refused.json()["reasons"] == again.json()["reasons"] and not again.json()["success"]
    assert send(ACCOUNT).status == 422
    put = client.session.send("PUT", "/v1/accounts/TOP", body={"name": "X"}, idempotency_key="twice")
    assert put.status == 400


def use(**more: Any) -> dict[str, Any]:
    return {"AccountNumber": "ACME-EUR", "UOM": "calls", "Quantity": 5, "StartDateTime": "2026-01-31T00:00:00Z", **more}


def test_a_batch_of_usage_fails_row_by_row(tenant: Tenant, client: Zuora) -> None:
    client.put_customer(customer(), key(1))

    def send(*rows: dict[str, Any]) -> list[bool]:
        body = {"type": "Usage", "objects": list(rows)}
        return [row["Success"] for row in client.session.send("POST", "/v1/action/create", body=body).json()]

    assert send(use(), use(AccountNumber="NOBODY"), use(UOM=None), use(Quantity="many")) == [True, False, False, False]
    tenant.control.fault("partial_failure", "create_usages", times=1)
    assert send(use(), use(), use()) == [True, True, False]
    assert send(use(), use(), use()) == [True, True, True]
    assert len(tenant.control.records("usage")) == 6


def test_a_file_of_usage_is_taken_whole_or_not_at_all(tenant: Tenant, client: Zuora) -> None:
    client.put_customer(customer(), key(1))
    head = "ACCOUNT_ID,UOM,QTY,STARTDATE\n"
    for content, status, kept in (("ACME-EUR,calls,5,01/31/2026\nNOBODY,calls,1,01/31/2026\n", "Failed", 0),
                                  ("ACME-EUR,calls,5,01/31/2026\nACME-EUR,calls,1,01/31/2026\n", "Completed", 2)):  # fmt: skip
        token = client.session._current("")
        answer = Http(client.config).send(
            "POST", "/v1/usage", files={"file": ("u.csv", head + content, "text/csv")},
            headers={"Authorization": f"Bearer {token}"},
        ).json()  # fmt: skip
        assert client.session.send("GET", answer["checkImportStatus"]).json()["importStatus"] == status
        assert len(tenant.control.records("usage")) == kept
    assert client.session.send("GET", "/v1/usage/accounts/ACME-EUR").json()["usage"][0]["quantity"] == 5


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("pageSize=51", 400), ("pageSize=0", 400), ("filter[]=updatedDate.LIKE:x", 400), ("filter[]=amount.GT:5", 400),
        ("filter[]=updatedDate.GE:yesterday", 400), ("sort[]=amount.ASC", 400), ("cursor=nonsense", 400),
        ("sort[]=updatedDate.ASC&sort[]=createdDate.ASC", 400), ("filter[]=status.EQ:Posted&sort[]=updatedDate.DESC", 200),
    ],
)  # fmt: skip
def test_object_queries(client: Zuora, query: str, status: int) -> None:
    assert client.session.send("GET", f"/object-query/invoices?{query}").status == status
    # Subscriptions have other fields, and the same rules.
    query = query.replace("status.EQ:Posted", "cancelledDate.EQ:2026-03-01")
    assert client.session.send("GET", f"/object-query/subscriptions?{query}").status == status


def test_posted_invoices_make_the_balance_of_an_account(tenant: Tenant, client: Zuora) -> None:
    provisioned(client, subscription())
    tenant.run("2026-02-01")
    assert client.reader.get("/v1/accounts/ACME-EUR")["metrics"]["balance"] == 2380


def test_runs_and_activations_at_once_bill_each_month_once(tenant: Tenant, client: Zuora) -> None:
    documents = [subscription(key=f"S-{n}", account=f"C{n}-EUR", order_number=f"SO-{n}") for n in range(8)]
    provisioned(client, *documents, activate=False)
    with ThreadPoolExecutor(12) as threads:
        active = [threads.submit(client.activate, each.key, 1, dt.date(2026, 1, 1), "k") for each in documents]
        runs = [threads.submit(tenant.run, "2026-02-01") for _ in range(4)]
    assert all(isinstance(each.result(), Posted) for each in active)
    made = sum(run.result()["invoices"] for run in runs) + tenant.run("2026-02-01")["invoices"]
    months = [(row["subscriptionName"], row["serviceStartDate"])
              for each in tenant.control.records("invoice") for row in each["body"]["items"]]  # fmt: skip
    assert len(months) == len(set(months)) == 16 and made <= 16


def test_an_account_that_is_not_active_is_not_billed(tenant: Tenant, client: Zuora) -> None:
    provisioned(client, subscription())
    tenant.control.edit("account", "ACME-EUR", status="Draft")
    refused = tenant.run("2026-01-01")
    assert refused["invoices"] == 0 and refused["errors"][0]["subscription"] == "S-SO-1001-DE"
    tenant.control.edit("account", "ACME-EUR", status="Active")
    assert tenant.run("2026-01-01")["invoices"] == 1


def test_addresses_that_are_not_there(client: Zuora) -> None:
    nowhere = client.session.send("GET", "/v1/nowhere")
    assert (nowhere.status, nowhere.json()) == (404, {"message": "no Route matched with those values"})
    assert client.session.send("DELETE", "/v1/accounts/ACME-EUR").status == 405
    bare = Http(client.config).send("POST", "/v1/accounts", body=json_body(ACCOUNT))
    assert (bare.status, bare.json()["reasons"][0]["code"]) == (401, 90000011)


def test_an_invoice_copied_or_redated_by_hand_is_read_as_changed(client: Zuora, tenant: Tenant) -> None:
    provisioned(client, subscription())
    (number,) = tenant.run("2026-01-01")["invoiceNumbers"]
    copy = tenant.control.do("copy-invoice", number=number)["number"]
    tenant.control.do("redate-invoice", number=number, on="2026-01-04")
    first, second = client.invoice(number), client.invoice(copy)
    assert isinstance(first, InvoiceDocument) and isinstance(second, InvoiceDocument)
    assert (first.issued_on, second.total_minor) == (dt.date(2026, 1, 4), first.total_minor)
    assert second.invoice_number != first.invoice_number
    assert [line.net_minor for line in second.lines] == [line.net_minor for line in first.lines]
    changed = [notice.invoice_number for notice in client.changed_invoices(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))]
    assert changed == [copy, number], "what was touched last comes last"
