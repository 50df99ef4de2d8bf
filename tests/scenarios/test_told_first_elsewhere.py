"""Another system tells of an invoice first, and the word of billing is taken as done: when billing cancels it, that is
told as of any other.

9 Mar 2026   The shop sends the invoice of Leeds Railways' training by the API; it is posted. Billing's own poll brings
             the same invoice under its own reference.
11 Mar       Billing cancels it.
12 Mar       Billing posts it again, or somebody reverses its journal.

Or billing issues and cancels it between two polls, and is only ever read as having cancelled it.
"""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from exceptions.models import Case
from q2c import clock
from q2c.contracts.documents import InvoiceDocument
from q2c.demo.people import user
from q2c.engine import requests
from q2c.engine.intake import Item, Sender, take
from q2c.engine.sources import source_of
from q2c.models import Connection, Invoice
from q2c.reading import after_reversal, given_up
from tests.scenarios.conftest import Story, entry
from tests.scenarios.test_lost_answer import training
from tests.scenarios.test_taken_back_by_billing import becomes
from tests.scenarios.test_undoing import sign

pytestmark = pytest.mark.django_db(transaction=True)


def told_by_the_shop(story: Story) -> str:
    """What billing has issued, before it was polled."""
    story.close(training("SO-3001", dt.date(2026, 3, 9)))
    run = story.platforms.control("zuora", "bill-run", {"until": clock.today().isoformat()})
    billing = source_of(Connection.objects.get(name="zuora"))
    changed = [read.reference for read in billing.changed(clock.now() - dt.timedelta(days=1))]
    (document,) = [found for found in billing.fetch(changed) if isinstance(found, InvoiceDocument)]
    shop_sends(msgspec.structs.replace(document, billing_reference="shop-1"))
    story.flow.work()
    return str(run["invoiceNumbers"][0])


@pytest.fixture
def number(story: Story) -> str:
    with story.on("2026-03-09"):
        number = told_by_the_shop(story)
        story.flow.poll("zuora")
        story.flow.work()
    assert [one.source for one in Invoice.objects.all()] == ["webshop"] and len(story.documents()) == 1
    assert not Case.objects.exists()
    return number


def shop_sends(document: InvoiceDocument) -> None:
    attributes = {
        "specversion": "1.0", "id": "s-1", "source": "webshop", "type": "InvoiceIssued", "time": clock.now().isoformat(),
    }  # fmt: skip
    item = Item(body=msgspec.json.encode(document), attributes=attributes, content_type="application/json")
    (taken,) = take([item], Sender(system="webshop", actor="api:webshop"))
    assert taken.status == "stored"


def test_cancelled_in_billing_it_is_a_case_and_a_difference_until_it_is_posted_again(story: Story, number: str) -> None:
    becomes(story, number, "Canceled", "2026-03-11")
    told = Case.objects.get()
    assert (told.reason, told.state, told.amount_minor) == ("invoice_taken_back", "open", -180_000)
    assert Invoice.objects.get().taken_back_at is not None
    assert set(given_up.of_open_months(user("carla"))) == {("UK", "2026-03")}
    becomes(story, number, "Posted", "2026-03-12")
    told.refresh_from_db()
    assert (told.state, Invoice.objects.get().taken_back_at) == ("resolved", None)
    assert given_up.of_open_months(user("carla")) == {} and len(story.documents()) == 1


def test_who_reverses_it_reads_that_billing_took_it_back_and_not_who_told_of_it(story: Story, number: str) -> None:
    becomes(story, number, "Canceled", "2026-03-11")
    booked = entry(number)
    said = after_reversal.of(user("carla"), [booked])[booked.id].text
    assert "zuora has taken it back already: the books then agree with it" in said and "webshop" not in said


def test_its_journal_reversed_its_case_ends(story: Story, number: str) -> None:
    becomes(story, number, "Canceled", "2026-03-11")
    with story.on("2026-03-12"):
        requests.reverse_journal(user("carla"), entry(number), clock.today(), "billing cancelled it")
        story.flow.work()
        sign(1)
        story.flow.work()
        assert Case.objects.get(reason="invoice_taken_back").state == "resolved"
        assert given_up.of_open_months(user("carla")) == {} and len(story.documents()) == 2


def test_only_ever_read_as_cancelled_it_is_found_by_the_number_of_its_entity(story: Story) -> None:
    with story.on("2026-03-09"):
        number = told_by_the_shop(story)
        assert len(story.documents()) == 1
    becomes(story, number, "Canceled", "2026-03-11")
    told = Case.objects.get()
    assert (told.reason, told.state, told.amount_minor) == ("invoice_taken_back", "open", -180_000)
    becomes(story, number, "Posted", "2026-03-12")
    told.refresh_from_db()
    assert (told.state, Invoice.objects.get().taken_back_at) == ("resolved", None) and len(story.documents()) == 1
