"""Two read one invoice at the same time, and the slower one brings what billing had before it was changed.

9 Mar 2026   Leeds Railways buys a training, and billing posts its invoice. While one reads it and another document
             is slow to come, billing changes it, and somebody else reads that: what is here stays what billing has.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from exceptions.models import Case
from q2c import clock, keys
from q2c.engine import callouts, poll
from q2c.engine.sources import Invoices
from q2c.models import Callout, Connection, Event, Invoice, Step
from tests.scenarios.conftest import Story, entry
from tests.scenarios.test_lost_answer import training
from tests.scenarios.test_undoing import sign, sold, tell  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)
DAY = "2026-03-09"


def billed(story: Story) -> str:
    """The number of an invoice that billing has posted and nobody has read."""
    with story.on(DAY):
        story.close(training("SO-3001", dt.date(2026, 3, 9)))
        story.flow.work()
        (number,) = story.platforms.control("zuora", "bill-run", {"until": clock.today().isoformat()})["invoiceNumbers"]
        return str(number)


def reads(story: Story, way: str) -> None:
    billing = Connection.objects.get(name="zuora")
    if way == "callout":
        (row,) = story.platforms.records("zuora", "invoice")
        callouts.call_out(billing, [row["id"]], keys.new_id())
        callouts.fetch_called_out()
    else:
        {"poll": poll.poll, "sweep": lambda one: poll.sweep(one, Invoices)}[way](billing)


class Meeting:
    """The first to read has what it read when billing changes the invoice and `quick` reads that; then it goes on."""

    def __init__(self, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
        self.story, self.patch = story, monkeypatch

    def of(self, slow: str, quick: str, number: str, **changes: Any) -> None:
        real, met = Invoices.fetch, []

        def fetch(source: Invoices, references: Any) -> list[Any]:
            found = real(source, references)
            if not met:
                met.append(slow)
                self.story.platforms.change("zuora", "invoice", number, **changes)
                with clock.at(clock.now() + clock.seconds(60)):
                    reads(self.story, quick)
            return found

        self.patch.setattr(Invoices, "fetch", fetch)
        reads(self.story, slow)
        assert met == [slow]


@pytest.fixture
def meeting(story: Story, monkeypatch: pytest.MonkeyPatch) -> Meeting:
    return Meeting(story, monkeypatch)


def rounds(story: Story, day: str, look: Callable[[], None]) -> None:
    """Polls, callouts that wait and a sweep, twice; nothing changes in billing any more."""
    for time in ("12:00", "13:00"):
        with story.on(day, time):
            poll.poll_sources()
            story.flow.work()
            poll.sweep(Connection.objects.get(name="zuora"), Invoices)
            story.flow.work()
            look()


@pytest.mark.parametrize(("slow", "quick"), [("callout", "poll"), ("poll", "callout"), ("sweep", "poll")])
def test_what_billing_cancelled_is_not_booked(story: Story, meeting: Meeting, slow: str, quick: str) -> None:
    number = billed(story)
    with story.on(DAY, "10:00"):
        meeting.of(slow, quick, number, status="Canceled")
        story.flow.work()

    def look() -> None:
        assert not Invoice.objects.exists() and story.documents() == []
        assert not Step.objects.filter(stage="record_invoice").exclude(state="abandoned").exists()
        assert not Case.objects.exists() and not Callout.objects.filter(done_at=None).exists()

    rounds(story, DAY, look)
    with story.on("2026-03-10"):
        story.platforms.change("zuora", "invoice", number, status="Posted")
        poll.poll_sources()
        story.flow.work()
    assert entry(number).state == "posted" and len(story.documents()) == 1


@pytest.mark.parametrize(("slow", "quick"), [("callout", "poll"), ("poll", "callout")])
def test_what_billing_took_back_stays_told(
    story: Story,
    sold: str,  # noqa: F811
    meeting: Meeting,
    slow: str,
    quick: str,
) -> None:
    with story.on("2026-03-11", "10:00"):
        if slow == "poll":
            story.platforms.change("zuora", "invoice", sold, dueDate="2026-05-01")
        meeting.of(slow, quick, sold, status="Canceled")

    def look() -> None:
        case = Case.objects.get(reason="invoice_taken_back")
        assert (case.state, Invoice.objects.get().taken_back_at is not None) == ("open", True)

    look()
    rounds(story, "2026-03-11", look)


@pytest.mark.parametrize(("slow", "quick"), [("callout", "poll"), ("poll", "callout")])
def test_the_newer_version_is_booked(story: Story, meeting: Meeting, slow: str, quick: str) -> None:
    number = billed(story)
    with story.on(DAY, "10:00"):
        meeting.of(slow, quick, number, invoiceDate="2026-04-01", dueDate="2026-05-01")
        story.flow.work()

    def look() -> None:
        assert Invoice.objects.get().issued_on == dt.date(2026, 4, 1)
        assert entry(number).period.name == "2026-04" and not Case.objects.exists()

    rounds(story, DAY, look)


def is_reversed(story: Story, number: str) -> None:
    """On 11 March somebody has the journal of an invoice reversed, and another one signs it."""
    with story.on("2026-03-11"):
        asked = {"journal_id": str(entry(number).id), "effective_on": "2026-03-11", "reason": "training not held"}
        assert tell("JournalReversalRequested", "r-1", **asked) == "stored"
        story.flow.work()
        sign(1)
        story.flow.work()


def test_a_callout_that_billing_repeats_brings_no_reversed_invoice_back_to_anybody(story: Story, sold: str) -> None:  # noqa: F811
    """It names an invoice that billing has as it had it before, also once billing has touched it. Taken back there and
    posted again it is somebody's."""
    issued = Event.objects.filter(type="InvoiceIssued")
    is_reversed(story, sold)
    with story.on("2026-03-12"):
        reads(story, "callout")
        poll.sweep(Connection.objects.get(name="zuora"), Invoices)
        story.flow.work()
    for day, change in (("13", {"comments": "paid"}), ("14", {"status": "Canceled"}), ("15", {"status": "Posted"})):
        assert issued.count() == 1 and not Case.objects.filter(stage="record_invoice").exists()
        with story.on(f"2026-03-{day}"):
            story.platforms.change("zuora", "invoice", sold, **change)
            reads(story, "poll")
            story.flow.work()
    assert issued.count() == 2 and Case.objects.get(reason="invoice_changed").state == "open"
    assert len(story.documents()) == 2, "the journal and its mirror: a person decides"
