"""Trace: whatever identifier, the same journey on one page."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from exceptions.models import Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.connectors.outcomes import Rejected
from q2c.models import Invoice, Step, Subscription
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.ui.people import boss, page, person

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


@pytest.fixture
def journey():
    make.company()
    order = make.through("O-1", "INV-1")
    make.bill(order, "INV-2")
    make.run("record_invoice")
    make.run("post_journal", lambda work: Rejected(reason=Reason.PERIOD_CLOSED, text="November is closed"))
    make.through("O-2", "INV-3", customer="Other Ltd")
    return order


def test_any_identifier_leads_to_the_whole_journey(client, journey):
    client.force_login(boss())
    posted = JournalEntry.objects.get(business_document="invoice:INV-1")
    names = [
        "O-1", "006O-1", "INV-1", "INV-2", "8adINV-2", "S-O-1-emea", Subscription.objects.get(order=journey).reference,
        posted.number, posted.document_number, posted.key, Case.objects.get().shown, str(journey.id),
        str(journey.correlation_id), Step.objects.filter(business_key="O-1", sent_at__isnull=False)[0].key,
    ]  # fmt: skip
    for name in names:
        text = page(client, f"/trace?q={name}")
        assert "Order O-1" in text and "Invoice INV-2" in text and "O-2" not in text, name
        assert posted.document_number in text and "November is closed" in text, name
        assert f"/orders/{journey.id}" in text and f"/invoices/{Invoice.objects.get(number='INV-2').id}" in text


def test_each_document_is_a_chapter_in_the_order_of_time(client, journey):
    client.force_login(boss())
    text = page(client, "/trace?q=O-1")
    first = text.split('class="card chapter"')[1]
    said = ["Order received", "every control is checked", "the subscription is made", "its phase is activated"]
    places = [first.index(one) for one in said]
    assert places == sorted(places)
    billed = text.split('class="card chapter"')[2]
    assert billed.index("Invoice issued") < billed.index("booked") < billed.index("the journal is posted")
    assert "16 events" in text or "events," in text


def test_a_customers_name_offers_its_orders(client, journey):
    client.force_login(boss())
    text = page(client, "/trace?q=Other%20Ltd")
    assert "Orders of this customer" in text and "/trace?q=O-2" in text


@pytest.mark.parametrize("q", ["zzz", "%27%3B--", "C-99999999999999", "x" * 3000, "%F0%9F%92%B8", "%25"])
def test_what_nothing_has_is_said_calmly(client, journey, q):
    client.force_login(boss())
    assert "Nothing has this identifier" in page(client, f"/trace?q={q}")


def test_without_a_question_it_asks_for_one(client):
    client.force_login(boss())
    assert 'id="trace-q"' in page(client, "/trace") and 'id="trace-q"' in page(client, "/trace?q=%20")


def test_it_shows_what_one_may_see_and_nothing_else(client, journey):
    client.force_login(person("mia", "q2c.view_order"))
    assert "q2c.view_event" in page(client, "/trace?q=O-1", 403)
    client.force_login(person("ann", "q2c.view_event", "q2c.view_order"))
    text = page(client, "/trace?q=INV-1")
    assert "Order O-1" in text and "Invoice INV-1" not in text and "November is closed" not in text


def test_it_asks_as_often_for_a_long_journey_as_for_a_short_one(client, journey):
    client.force_login(boss())
    with CaptureQueriesContext(connection) as few:
        page(client, "/trace?q=O-2")
    for number in range(10, 16):
        make.bill(journey, f"INV-{number}")
    make.run("record_invoice")
    make.run("post_journal")
    with CaptureQueriesContext(connection) as more:
        page(client, "/trace?q=O-1")
    assert len(more) <= len(few) + 1 <= 26
