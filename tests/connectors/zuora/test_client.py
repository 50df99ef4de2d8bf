"""The client against the stand-in over HTTP: session, customers, orders, phases, invoices."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from q2c.connectors.outcomes import (
    Accepted,
    NotFound,
    Posted,
    Rejected,
    Unavailable,
)
from q2c.connectors.zuora.client import Zuora
from q2c.contracts.documents import InvoiceDocument
from q2c.reasons import Reason
from tests.connectors.zuora.tenant import (
    Tenant,
    charge,
    customer,
    finished,
    key,
    overage,
    provisioned,
    subscription,
)

DAY = dt.date(2026, 1, 1)
SINCE = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


# Session


def test_a_token_is_kept_and_renewed_once_when_it_is_over(tenant: Tenant, client: Any) -> None:
    assert client.probe() is None and client.probe() is None
    assert len(tenant.control.records("token")) == 1
    tenant.control.do("expire-tokens")
    assert client.probe() is None
    assert len(tenant.control.records("token")) == 1


def test_a_token_is_renewed_before_its_time_is_over(tenant: Tenant) -> None:
    tenant.control.seed(token_life_s=61)
    client = tenant.client()
    assert client.probe() is None
    time.sleep(1.1)
    assert client.probe() is None
    assert len(tenant.control.records("token")) == 2


def test_wrong_credentials_are_refused_and_not_tried_again(tenant: Tenant) -> None:
    wrong = Zuora(tenant.config(credentials={"client_id": "nobody", "client_secret": "x"}))
    found = wrong.probe()
    assert isinstance(found, Rejected) and found.reason == Reason.CREDENTIALS_REFUSED
    assert "x" not in found.text.split()


def test_an_address_where_nothing_answers(tenant: Tenant) -> None:
    away = Zuora(tenant.config(base_url="http://127.0.0.1:9"))
    assert isinstance(away.probe(), Unavailable)
    assert isinstance(away.put_customer(customer(), "k"), Unavailable)


# Customers


def test_a_customer_twice_is_one_account(tenant: Tenant, client: Any) -> None:
    first = client.put_customer(customer(), key(1))
    second = client.put_customer(customer(), key(1))
    assert second.found and second.reference == first.reference
    assert len(tenant.control.records("account")) == 1


@pytest.mark.parametrize("changed", [{"name": "Acme AG"}, {"currency": "USD"}, {"parent": "HOLD-EUR"}])
def test_another_customer_under_the_same_number_is_told(client: Any, changed: dict[str, str]) -> None:
    client.put_customer(customer("HOLD-EUR", name="Holding"), key(0))
    client.put_customer(customer(), key(1))
    for found in (client.put_customer(customer(**changed), key(1)), client.find_customer(customer(**changed), key(1))):
        assert isinstance(found, Rejected) and found.reason == Reason.CONTENT_DIFFERS
        assert next(iter(changed)) in found.text


def test_a_parent_that_is_not_there_is_named(client: Any) -> None:
    found = client.put_customer(customer(parent="NOBODY-EUR"), key(1))
    assert isinstance(found, Rejected) and found.reason == Reason.CUSTOMER_REFUSED
    assert (found.blocker.object_type, found.blocker.object_key) == ("account", "NOBODY-EUR")
    assert client.still_blocked(found.blocker) is True
    client.put_customer(customer("NOBODY-EUR"), key(2))
    assert client.still_blocked(found.blocker) is False
    assert client.still_blocked(replace(found.blocker, condition="content_differs")) is None


def test_a_key_with_a_slash_is_one_segment(client: Any) -> None:
    assert client.put_customer(customer("A/B C-EUR"), key(1)).document == "A/B C-EUR"


# Orders


def test_an_order_takes_its_time_and_is_polled(tenant: Tenant, client: Any) -> None:
    tenant.control.seed(job_s=0.4)
    client.put_customer(customer(), key(1))
    accepted = client.create_subscription(subscription(), key(2))
    assert isinstance(client.poll(accepted.handle, key(2)), Accepted)
    assert isinstance(client.find_subscription(subscription(), key(2)), NotFound)
    time.sleep(0.5)
    done = client.poll(accepted.handle, key(2))
    assert isinstance(done, Posted) and done.reference == "S-SO-1001-DE"
    assert client.find_subscription(subscription(), key(2)).found
    assert len(accepted.handle) <= 200


def test_the_same_order_twice_is_one(tenant: Tenant, client: Any) -> None:
    client.put_customer(customer(), key(1))
    for _ in range(2):
        done = finished(client, client.create_subscription(subscription(), key(2)), key(2))
        assert isinstance(done, Posted)
    assert len(tenant.control.records("subscription")) == 1


def test_another_order_under_the_same_number_is_told(client: Any) -> None:
    client.put_customer(customer(), key(1))
    finished(client, client.create_subscription(subscription(), key(2)), key(2))
    other = subscription(charge(1, "PLAT", quantity=Decimal(11), amount_minor=1_320_000))
    for found in (
        finished(client, client.create_subscription(other, key(2)), key(2)),
        client.find_subscription(other, key(2)),
    ):
        assert isinstance(found, Rejected) and found.reason == Reason.CONTENT_DIFFERS
        assert found.blocker.object_key == "O-SO-1001-DE"


def test_after_a_repair_the_refusal_of_before_does_not_come_back(tenant: Tenant, client: Any) -> None:
    """Zuora keeps failures under an idempotency key for a day: a replay must not be answered from there."""
    refused = finished(client, client.create_subscription(subscription(), key(2)), key(2))
    assert isinstance(refused, Rejected) and refused.reason == Reason.SUBSCRIPTION_REFUSED
    assert refused.code.endswith("40") and "ACME-EUR" in refused.text
    client.put_customer(customer(), key(1))
    assert isinstance(finished(client, client.create_subscription(subscription(), key(2)), key(2)), Posted)


def test_an_inactive_account_is_refused_until_it_is_active(tenant: Tenant, client: Any) -> None:
    client.put_customer(customer(), key(1))
    tenant.control.edit("account", "ACME-EUR", status="Canceled")
    refused = finished(client, client.create_subscription(subscription(), key(2)), key(2))
    assert isinstance(refused, Rejected) and "Canceled" in refused.text
    tenant.control.edit("account", "ACME-EUR", status="Active")
    assert isinstance(finished(client, client.create_subscription(subscription(), key(2)), key(2)), Posted)


def test_a_product_that_billing_does_not_sell_is_the_blocker_until_it_does(tenant: Tenant, client: Any) -> None:
    client.put_customer(customer(), key(1))
    new = subscription(charge(1, "NEW"))
    refused = client.create_subscription(new, key(2))
    assert isinstance(refused, Rejected) and refused.reason == Reason.SUBSCRIPTION_REFUSED
    assert (refused.blocker.object_type, refused.blocker.object_key) == ("product", "NEW")
    assert client.still_blocked(refused.blocker) is True
    tenant.control.seed(products=[{"sku": "NEW", "models": ["OneTime/FlatFee"]}])
    assert "sells NEW as OneTime/FlatFee" in client.create_subscription(new, key(2)).text
    assert client.still_blocked(refused.blocker) is True
    tenant.control.seed(products=[{"sku": "NEWER"}])
    assert client.still_blocked(replace(refused.blocker, object_key="NEWER")) is False
    done = finished(client, client.create_subscription(subscription(charge(1, "NEWER")), key(2)), key(2))
    assert isinstance(done, Posted)
    tenant.control.fault("unavailable", "catalog")
    assert client.still_blocked(refused.blocker) is None


def test_usage_in_another_unit_than_billing_counts_is_told_before_it_is_sold(client: Any) -> None:
    client.put_customer(customer(), key(1))
    metered = {"kind": "usage", "quantity": Decimal(0), "unit_price": Decimal(0), "amount_minor": 0}
    refused = client.create_subscription(subscription(charge(1, "API", usage=overage(meter="GB"), **metered)), key(2))
    assert isinstance(refused, Rejected) and refused.blocker.object_key == "API"
    assert "Usage/Tiered in 'calls'" in refused.text and "Usage/Tiered in 'GB'" in refused.text


def test_a_catalog_by_hand_stands_before_the_tenants(tenant: Tenant, client: Any) -> None:
    plan, listed = client.catalog("PLAT", "Recurring", "PerUnit")
    other = tenant.client(catalog={"OURS": {"Recurring/Per Unit Pricing": [plan, listed]}})
    other.put_customer(customer(), key(1))
    assert isinstance(
        finished(other, other.create_subscription(subscription(charge(1, "OURS")), key(2)), key(2)), Posted
    )


# Activation and cancellation


def test_phases_are_activated_one_by_one_and_each_once(tenant: Tenant, client: Any) -> None:
    later = dt.date(2026, 7, 1)
    two = subscription(
        charge(1, "PLAT", ends_on=later, amount_minor=600_000),
        charge(1, "PLAT", phase=2, starts_on=later, amount_minor=600_000),
        charge(2, "PLAT", phase=2, starts_on=later, amount_minor=600_000),
    )
    provisioned(client, two, activate=False)
    assert tenant.run("2026-01-01")["invoices"] == 0
    assert isinstance(client.activate(two.key, 1, DAY, key(3)), Posted)
    assert tenant.control.records("order")[0]["body"]["status"] == "Pending"
    assert isinstance(client.is_activated(two.key, 2, later, key(4)), NotFound)
    assert isinstance(client.activate(two.key, 2, later, key(4)), Posted)
    assert tenant.control.records("order")[0]["body"]["status"] == "Completed"
    assert client.activate(two.key, 2, later, key(4)).found
    other = client.activate(two.key, 2, DAY, key(4))
    assert isinstance(other, Rejected) and other.reason == Reason.CONTENT_DIFFERS
    assert isinstance(client.activate(two.key, 9, DAY, key(4)), Rejected)
    assert client.activate("S-NOBODY", 1, DAY, key(4)).reason == Reason.RECORD_MISSING


def test_a_cancelled_subscription_is_cancelled_once_and_its_advance_credited(tenant: Tenant, client: Any) -> None:
    provisioned(client, subscription())
    assert tenant.run("2026-02-01")["invoices"] == 2
    on = dt.date(2026, 2, 15)
    assert isinstance(client.is_cancelled("S-SO-1001-DE", on, key(5)), NotFound)
    assert client.cancel("S-SO-1001-DE", on, key(5)).document == "X-SO-1001-DE"
    assert client.cancel("S-SO-1001-DE", on, key(5)).found
    for ask in (client.cancel, client.is_cancelled):
        missing = ask("S-NOBODY", on, key(5))
        assert isinstance(missing, Rejected) and (missing.reason, missing.held) == (Reason.RECORD_MISSING, False)
    assert tenant.run("2026-12-31")["invoices"] == 1
    credit = client.invoice(list(client.changed_invoices(SINCE))[-1].reference)
    assert credit.issued_on == on and [line.net_minor for line in credit.lines] == [-50_000]
    assert credit.total_minor == -59_500


# Invoices


def test_invoices_changed_since_in_order_each_once_over_pages(tenant: Tenant, client: Any) -> None:
    tenant.control.clock("2026-01-01T01:00:00Z")
    documents = [subscription(key=f"S-{n}", account=f"C{n}-EUR", order_number=f"SO-{n}") for n in range(6)]
    provisioned(client, *documents)
    for month in range(1, 12):
        tenant.control.clock(f"2026-{month:02d}-01T02:00:00Z")
        tenant.run(f"2026-{month:02d}-01")
    found = list(client.changed_invoices(SINCE))
    assert len(found) == len({each.reference for each in found}) == 66
    assert [each.changed_at for each in found] == sorted(each.changed_at for each in found)
    late = list(client.changed_invoices(dt.datetime(2026, 11, 1, tzinfo=dt.UTC)))
    assert len(late) == 6
    drafts = tenant.run("2026-12-01", post=False)["invoiceNumbers"]
    assert len(drafts) == 6 and len(list(client.changed_invoices(SINCE))) == 72
    refused = client.invoice(drafts[0])
    assert isinstance(refused, Rejected) and refused.field == "status"
    tenant.control.do("post-invoices", numbers=drafts)
    assert len(list(client.changed_invoices(SINCE))) == 72
    assert client.invoice(drafts[0]).total_minor == 119_000


def test_an_invoice_with_more_items_than_a_page(tenant: Tenant, client: Any) -> None:
    many = subscription(*(charge(n, "PLAT", quantity=Decimal(n), amount_minor=n * 120_000) for n in range(1, 96)))
    provisioned(client, many)
    tenant.run("2026-01-01")
    (notice,) = client.changed_invoices(SINCE)
    document = client.invoice(notice.reference)
    assert isinstance(document, InvoiceDocument) and len(document.lines) == 95
    assert document.total_minor == sum(line.net_minor + line.tax_minor for line in document.lines)


def test_an_invoice_that_is_not_there(client: Any) -> None:
    found = client.invoice("INV99999999")
    assert isinstance(found, Rejected) and found.reason == Reason.RECORD_MISSING
