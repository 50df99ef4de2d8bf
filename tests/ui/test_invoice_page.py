"""One invoice whole: its lines, its tie to the order, its journal, its numbers everywhere."""

from __future__ import annotations

import datetime as dt

import pytest

from q2c import clock, keys
from q2c.connectors.outcomes import Rejected
from q2c.contracts.documents import InvoiceLine
from q2c.models import Invoice
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.ui.people import boss, page, person, read

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


@pytest.fixture
def invoice():
    make.company()
    make.through("O-1", "INV-1")
    return Invoice.objects.get()


def test_it_tells_its_lines_its_journal_and_its_numbers_everywhere(client, invoice):
    client.force_login(boss())
    text = read(client, f"/invoices/{invoice.id}")
    for said in (
        "Invoice INV-1", "Acme GmbH", "62,120.00", "Platform", "48,000.00", "9,120.00", "Bills group emea",
        "53,000.00", "149,000.00", "Accounts receivable", "Transaction EUR", "Group USD", "68,332.00", "8adINV-1",
        "zuora", "erp-de01", "DE01-26-S0000001", "Balanced",
    ):  # fmt: skip
        assert said in text, said
    assert "Does not hold" not in page(client, f"/invoices/{invoice.id}")


def test_usage_is_not_counted_against_what_was_sold(client, invoice):
    """48,000 of the platform and 5,000 for the start are billed of 149,000; then usage comes."""
    client.force_login(boss())
    said = "1 invoice bills EUR 53,000.00 of the EUR 149,000.00 sold in this group, all before tax"
    assert said in read(client, f"/invoices/{invoice.id}")
    starts_on = invoice.order.starts_on
    usage = InvoiceLine(
        line=1, product="API-CALLS", kind="usage", charge="Calls", quantity="6000000", net_minor=3_000,
        service_starts_on=starts_on, service_ends_on=starts_on + dt.timedelta(days=28),
    )  # fmt: skip
    make.bill(invoice.order, "INV-2", lines=(usage,))
    make.run("record_invoice")
    for number in ("INV-1", "INV-2"):
        text = read(client, f"/invoices/{Invoice.objects.get(number=number).id}")
        said = (
            "2 invoices bill EUR 53,000.00 of the EUR 149,000.00 sold in this group, and beside that EUR 30.00 of usage"
        )
        assert said in text


def test_what_stops_its_journal_stands_on_the_invoice(client):
    make.company()
    order = make.through("O-1", "INV-1")
    make.bill(order, "INV-2")
    make.run("record_invoice")
    make.run("post_journal", lambda work: Rejected(reason=Reason.PERIOD_CLOSED, text="November is closed"))
    client.force_login(boss())
    text = page(client, f"/invoices/{Invoice.objects.get(number='INV-2').id}")
    coming = text.split("What comes next")[1].split("</section>")[0]
    assert "stopped" in coming and "November is closed" in coming and "Controllers" in coming
    assert "Blocked" in text


def test_without_rights_nothing_leaks(client, invoice):
    client.force_login(person("mia", "q2c.view_order"))
    assert "q2c.view_invoice" in page(client, f"/invoices/{invoice.id}", 403)
    client.force_login(person("ann", "q2c.view_invoice"))
    text = page(client, f"/invoices/{invoice.id}")
    assert "INV-1" in text and "Accounts receivable" not in text and "ledger.view_journalentry" in text
    assert "(not permitted)" in text and f"/orders/{invoice.order_id}" not in text


def test_an_unknown_invoice_is_not_found(client):
    client.force_login(boss())
    page(client, f"/invoices/{keys.new_id()}", 404)


def test_payment_is_due_only_of_what_the_books_hold_as_owed(client, invoice):
    line = InvoiceLine(line=1, product="ONBOARDING", kind="one_time", charge="Implementation", net_minor=-10_000)
    make.bill(invoice.order, "INV-2", lines=[line])
    make.run("record_invoice")
    make.run("post_journal")
    client.force_login(boss())
    assert "Payment is due as said above." in read(client, f"/invoices/{invoice.id}")
    credit = read(client, f"/invoices/{Invoice.objects.get(number='INV-2').id}")
    assert "It asks for no payment: it is a credit." in credit and "Payment is due" not in credit
    assert ", a credit, issued Nov 3, 2026, for order" in credit and ", due " not in credit
