"""From an account to an invoice that is fetched, over HTTP."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from q2c.connectors.outcomes import Accepted, NotFound, Posted
from q2c.contracts.documents import Billing, InvoiceDocument
from tests.connectors.zuora.tenant import Tenant, charge, customer, finished, key, overage, subscription


def test_an_account_an_order_two_phases_and_the_invoices_of_a_quarter(tenant: Tenant) -> None:
    client = tenant.client()
    tenant.control.clock("2025-12-15T09:00:00Z")
    parent = client.put_customer(customer("HOLD-EUR", name="Acme Holding"), key("parent"))
    made = client.put_customer(customer(parent="HOLD-EUR"), key("customer"))
    assert isinstance(parent, Posted) and isinstance(made, Posted) and not made.found
    assert client.find_customer(customer(parent="HOLD-EUR"), key("customer")).found

    document = subscription(
        charge(1, "IMPL", kind="one_time", quantity=Decimal(1), unit_price=Decimal(5000), price_period="once",
               amount_minor=500_000, billing=Billing(frequency="once")),
        charge(2, "PLAT", ends_on=dt.date(2026, 3, 1), amount_minor=200_000),
        charge(2, "PLAT", phase=2, starts_on=dt.date(2026, 3, 1), quantity=Decimal(20), amount_minor=2_000_000),
        charge(3, "API", kind="usage", quantity=Decimal(0), unit_price=Decimal(0), amount_minor=0, usage=overage()),
    )  # fmt: skip
    step_key = key("order")
    assert isinstance(client.find_subscription(document, step_key), NotFound)
    accepted = client.create_subscription(document, step_key)
    assert isinstance(accepted, Accepted)
    done = finished(client, accepted, step_key)
    assert isinstance(done, Posted) and done.document == "O-SO-1001-DE", done
    assert client.find_subscription(document, step_key).found

    assert tenant.run("2025-12-31")["invoices"] == 0
    tenant.control.clock("2026-01-01T00:05:00Z")
    assert isinstance(client.is_activated(document.key, 1, dt.date(2026, 1, 1), "k"), NotFound)
    assert isinstance(client.activate(document.key, 1, dt.date(2026, 1, 1), "k"), Posted)
    assert client.activate(document.key, 1, dt.date(2026, 1, 1), "k").found
    tenant.control.clock("2026-03-01T00:05:00Z")
    assert isinstance(client.activate(document.key, 2, dt.date(2026, 3, 1), "k"), Posted)
    use = {"AccountNumber": "ACME-EUR", "UOM": "calls", "StartDateTime": "2026-02-10T00:00:00Z"}
    tenant.control.do("usage", usage=[{**use, "Quantity": 1700}])

    since = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert tenant.run("2026-03-31")["invoices"] == 3
    notices = list(client.changed_invoices(since))
    found = [client.invoice(notice.reference) for notice in notices]
    assert all(isinstance(each, InvoiceDocument) for each in found), found
    assert [(each.issued_on.isoformat(), each.total_minor) for each in found] == [
        ("2026-01-01", 714_000),  # (5,000.00 + 10 × 100.00) × 1.19
        ("2026-02-01", 119_000),
        ("2026-03-01", 245_140),  # (20 × 100.00 + 500 × 0.10 + 200 × 0.05) × 1.19
    ]
    assert (found[0].order_number, found[0].group, found[0].legal_entity) == ("SO-1001", "DE", "DE")
    assert found[0].due_on == dt.date(2026, 1, 31)
    assert tenant.run("2026-03-31")["invoices"] == 0
