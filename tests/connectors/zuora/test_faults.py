"""Each fault switch against each write and read: what is surely not done, what may be, and that nothing is doubled."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from q2c.connectors.http import Answer
from q2c.connectors.outcomes import (
    NotFound,
    Posted,
    ReadFailed,
    Rejected,
    Unavailable,
    Unknown,
)
from q2c.connectors.zuora.client import Zuora
from q2c.connectors.zuora.refusals import is_absent, reasons_of
from q2c.reasons import Reason
from tests.connectors.zuora.tenant import (
    Tenant,
    customer,
    finished,
    key,
    provisioned,
    subscription,
)

DAY = dt.date(2026, 1, 1)
SINCE = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


# Fault switches

BUSY = pytest.param("too_many", Reason.PLATFORM_BUSY, 7, id="429 with Retry-After")
DOWN = pytest.param("unavailable", Reason.PLATFORM_UNAVAILABLE, 5, id="503")
MISSING = b'{"success": false, "reasons": [{"code": 50000040, "message": "Cannot find entity by key: S-9."}]}'
BEFORE = pytest.param("drop_before", None, None, id="dropped before")


def write(client: Any, operation: str) -> Any:
    if operation == "create_account":
        return client.put_customer(customer("NEW-EUR"), key("new"))
    if operation == "create_order_async":
        return client.create_subscription(subscription(), key("sub"))
    if operation == "activate":
        return client.activate("S-SO-1001-DE", 1, DAY, key("act"))
    return client.cancel("S-SO-1001-DE", dt.date(2026, 6, 1), key("can"))


def look(client: Any, operation: str) -> Any:
    if operation == "create_account":
        return client.find_customer(customer("NEW-EUR"), key("new"))
    if operation == "create_order_async":
        return client.find_subscription(subscription(), key("sub"))
    if operation == "activate":
        return client.is_activated("S-SO-1001-DE", 1, DAY, key("act"))
    return client.is_cancelled("S-SO-1001-DE", dt.date(2026, 6, 1), key("can"))


@pytest.fixture(params=["create_account", "create_order_async", "activate", "create_order"])
def operation(request: pytest.FixtureRequest, client: Any) -> str:
    """Each write, with what must be there before it."""
    client.put_customer(customer(), key("c"))
    if request.param in ("activate", "create_order"):
        finished(client, client.create_subscription(subscription(), key("sub")), key("sub"))
    client.catalog("PLAT", "Recurring", "PerUnit")
    return str(request.param)


@pytest.mark.parametrize(("fault", "reason", "wait_s"), [BUSY, DOWN])
def test_a_platform_that_says_no_for_now(
    tenant: Tenant, client: Any, operation: str, fault: str, reason: Reason, wait_s: float
) -> None:
    tenant.control.fault(fault, operation, value=7, times=1)
    found = write(client, operation)
    assert isinstance(found, Unavailable) and (found.reason, found.retry_after_s) == (reason, wait_s)
    assert isinstance(look(client, operation), NotFound)
    assert isinstance(finished(client, write(client, operation), key("sub")), Posted)


def test_a_connection_dropped_before_the_commit_is_unknown_and_found_to_be_nothing(
    tenant: Tenant, client: Any, operation: str
) -> None:
    tenant.control.fault("drop_before", operation, times=1)
    assert isinstance(write(client, operation), Unknown)
    assert isinstance(look(client, operation), NotFound)
    assert isinstance(finished(client, write(client, operation), key("sub")), Posted)


@pytest.mark.parametrize("fault", ["drop_after", "late_commit"])
def test_a_lost_answer_is_unknown_and_found_to_be_done(tenant: Tenant, client: Any, operation: str, fault: str) -> None:
    hasty = tenant.client() if fault == "drop_after" else impatient(tenant)
    hasty.catalog("PLAT", "Recurring", "PerUnit")
    tenant.control.fault(fault, operation, value=1, times=1)
    assert isinstance(write(hasty, operation), Unknown)
    deadline = time.monotonic() + 5
    while isinstance(found := look(client, operation), NotFound) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert isinstance(found, Posted) and found.found
    assert isinstance(finished(client, write(client, operation), key("sub")), Posted)
    numbers = [each["number"] for kind in ("account", "order", "subscription") for each in tenant.control.records(kind)]
    assert len(numbers) == len(set(numbers))


def impatient(tenant: Tenant) -> Any:
    return Zuora(dataclasses.replace(tenant.client().config, time_limit_s=0.4))


def test_a_refusal_inside_a_200_is_a_refusal(tenant: Tenant, client: Any, operation: str) -> None:
    tenant.control.fault("business_failure", operation, times=1)
    found = write(client, operation)
    assert isinstance(found, Rejected) and found.code == "53100330"
    assert found.reason == (Reason.CUSTOMER_REFUSED if operation == "create_account" else Reason.SUBSCRIPTION_REFUSED)


@pytest.mark.parametrize("status", [200, 400])
def test_refusals_mean_the_same_whatever_status_a_tenant_gives_them(tenant: Tenant, client: Any, status: int) -> None:
    tenant.control.seed(failure_status=status)
    client.put_customer(customer(), key(1))
    refused = client.put_customer(customer("BAD-XXX", currency="XXX"), key(2))
    assert isinstance(refused, Rejected) and (refused.code, refused.field) == ("50000020", "currency")
    assert isinstance(client.find_customer(customer("NONE-EUR"), key(2)), NotFound)
    assert client.put_customer(customer(), key(1)).found


def test_a_token_refused_again_and_again_is_a_matter_of_credentials(
    tenant: Tenant, client: Any, operation: str
) -> None:
    tenant.control.fault("token_expired", operation, times=1)
    assert isinstance(finished(client, write(client, operation), key("sub")), Posted)
    tenant.control.fault("token_expired", "read_account")
    found = client.find_customer(customer(), key("c"))
    assert isinstance(found, Rejected) and found.reason == Reason.CREDENTIALS_REFUSED


def test_latency_below_the_limit_only_costs_time(tenant: Tenant, client: Any) -> None:
    tenant.control.fault("latency", "create_account", value=200, times=1)
    assert isinstance(client.put_customer(customer(), key(1)), Posted)


def test_search_lag_hides_what_is_there_and_nothing_is_doubled(tenant: Tenant, client: Any) -> None:
    tenant.control.fault("search_lag", "create_account", value=1)
    assert isinstance(client.put_customer(customer(), key(1)), Posted)
    assert isinstance(client.find_customer(customer(), key(1)), NotFound)
    # The number is taken, says the platform, and shows nobody: not known yet.
    assert isinstance(client.put_customer(customer(), key(1)), Unknown)
    time.sleep(1.1)
    assert client.put_customer(customer(), key(1)).found


@pytest.mark.parametrize("fault", ["too_many", "unavailable", "drop_before", "business_failure", "token_expired"])
def test_a_feed_that_breaks_off_says_so(tenant: Tenant, client: Any, fault: str) -> None:
    tenant.control.fault(fault, "query_invoices")
    with pytest.raises(ReadFailed) as failure:
        list(client.changed_invoices(SINCE))
    refused = fault in ("business_failure", "token_expired")
    assert isinstance(failure.value.outcome, Rejected if refused else Unavailable)


@pytest.mark.parametrize("operation_", ["read_invoice", "read_invoice_items", "read_subscription"])
def test_an_invoice_that_cannot_be_read_now(tenant: Tenant, client: Any, operation_: str) -> None:
    provisioned(client, subscription())
    (number,) = tenant.run("2026-01-01")["invoiceNumbers"]
    tenant.control.fault("unavailable", operation_, times=1)
    assert isinstance(client.invoice(number), Unavailable)
    assert client.invoice(number).total_minor == 119_000


@pytest.mark.parametrize("fault", ["too_many", "unavailable", "drop_before"])
def test_no_token_for_a_while(tenant: Tenant, fault: str) -> None:
    tenant.control.fault(fault, "token", value=3, times=1)
    client = tenant.client()
    assert isinstance(client.put_customer(customer(), key(1)), Unavailable)
    assert isinstance(client.put_customer(customer(), key(1)), Posted)


def test_polling_through_faults_keeps_the_question_open(tenant: Tenant, client: Any) -> None:
    client.put_customer(customer(), key(1))
    accepted = client.create_subscription(subscription(), key(2))
    for fault in ("too_many", "unavailable", "drop_before"):
        tenant.control.fault(fault, "read_job", value=1, times=1)
        assert isinstance(client.poll(accepted.handle, key(2)), Unavailable)
    tenant.control.fault("drop_before", "read_order", times=1)
    assert isinstance(client.poll(accepted.handle, key(2)), Unknown)
    assert isinstance(client.poll(accepted.handle, key(2)), Posted)
    assert isinstance(client.poll("f" * 32 + "|O-X|abc", key(2)), Unknown)


def test_the_connections_places_are_kept(tenant: Tenant) -> None:
    """Two places: four slow calls take two turns, and none is refused."""
    client = Zuora(dataclasses.replace(tenant.client().config, concurrency=2))
    client.probe()
    tenant.control.fault("latency", "catalog", value=200)
    began = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: client.probe(), range(4))) == [None] * 4
    assert time.monotonic() - began >= 0.4


def test_an_address_that_nobody_serves_says_nothing_about_a_record() -> None:
    for body, absent in ((b"<h1>Not Found</h1>", False), (b'{"message": "no Route matched"}', False), (MISSING, True)):
        answer = Answer(status=404, headers={}, body=body, elapsed_s=0)
        reasons = reasons_of(answer)
        assert reasons is not None and is_absent(answer, reasons) == absent, body
