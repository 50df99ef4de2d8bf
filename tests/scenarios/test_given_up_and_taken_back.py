"""A journal is given up, and billing takes its invoice back: it is voided here too, and what replaces it is booked.

9 Mar 2026   Leeds Railways is billed a training in a month in which the ledger takes no journal. Two people close the
             case of its journal without fix: billing is to void the invoice, and bill anew.
11 Mar       Billing cancels it. Its journal was never sent, so the books hold none of it any more.
12 Mar       Billing bills the training anew, and that is posted.

Or its journal was sent and no answer came: the ledger is asked before anything leaves the books.
"""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from django.test import Client

from exceptions.errors import NotPossible
from exceptions.models import Approval, Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.demo import flow
from q2c.demo.company import ERP
from q2c.demo.people import user
from q2c.engine import after_all, desk, requests, run
from q2c.engine.intake import Item, Sender, take
from q2c.models import Event, Invoice, Order, Step
from q2c.reading import billing_now, given_up, what_stays
from q2c.ui import ending
from tests.scenarios.conftest import Story, entry
from tests.scenarios.test_lost_answer import billed_in_a_closed_month, training
from tests.scenarios.test_taken_back_by_billing import becomes
from tests.scenarios.test_undoing import sign
from tests.ui.people import read

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def to_be_voided(story: Story) -> str:
    """The number of an invoice that stands here, and whose journal two people gave up."""
    with story.on("2026-03-09"):
        number = billed_in_a_closed_month(story)
        close(Case.objects.get())
    assert (Invoice.objects.get().state, entry(number).state) == ("recorded", "blocked")
    return number


def close(stuck: Case) -> None:
    desk.close_without_fix(user("carla"), [stuck.id], "billing voids it and bills anew", "changed_in_billing")
    sign(1)


@pytest.mark.parametrize("asked", [False, True])
def test_a_case_that_ended_as_billing_took_it_back_says_that_nothing_will_be_booked(story: Story, asked: bool) -> None:
    """Also where it was to be given up, since somebody booked it by hand, and nobody had agreed yet."""
    with story.on("2026-03-09"):
        number = billed_in_a_closed_month(story)
        stuck = Case.objects.get()
        if asked:
            desk.close_without_fix(user("carla"), [stuck.id], "Booked by hand in NetSuite", "other")
    becomes(story, number, "Canceled", "2026-03-11")
    stuck.refresh_from_db()
    assert (stuck.resolution, JournalEntry.objects.get().state) == ("superseded", "superseded")
    told = what_stays.has(user("carla"), stuck)
    assert f"nothing will be: billing has taken the invoice back. Journal {JournalEntry.objects.get()} left" in told
    by_hand = (
        "Carla Weiss had asked that it be given up: Booked by hand in NetSuite. Was its journal booked in netsuite"
    )
    assert (f"{by_hand} by hand, that entry is now to be reversed there." in told) == asked
    client = Client()
    client.force_login(user("carla"))
    shown = read(client, f"/cases/{stuck.id}")
    assert told in shown and "Nothing is booked for it yet" not in shown


def billed_anew(story: Story, number: str) -> None:
    """Billing sends another document of its own for the same training."""
    first = Event.objects.filter(type="InvoiceIssued").earliest("received_at")
    document = msgspec.json.decode(first.payload)
    document |= {"invoice_number": number, "billing_reference": f"ref-{number}"}
    attributes = {
        "specversion": "1.0", "id": number, "source": "zuora", "type": "InvoiceIssued", "time": clock.now().isoformat(),
    }  # fmt: skip
    item = Item(body=msgspec.json.encode(document), attributes=attributes, content_type="application/json")
    (taken,) = take([item], Sender(system="zuora", actor="api:zuora"))
    assert taken.status == "stored"
    story.flow.work()


def nothing_open() -> bool:
    return not Case.objects.exclude(state__in=("resolved", "closed_without_fix")).exists()


def test_it_leaves_the_books_with_billing_and_what_replaces_it_is_posted(story: Story, to_be_voided: str) -> None:
    becomes(story, to_be_voided, "Canceled", "2026-03-11")
    assert (Invoice.objects.get().state, JournalEntry.objects.get().state) == ("voided", "superseded")
    closed = Case.objects.get()
    assert closed.state == "closed_without_fix"
    assert "booked in netsuite by hand, reverse it there" in closed.events.get(kind="taken_back").text
    assert "in netsuite by hand, that entry is now to be reversed there" in what_stays.has(user("carla"), closed)
    assert not given_up.of_order(user("carla"), Order.objects.get())
    assert after_all.why_not(closed) == "zuora has taken it back since; posted there again, it comes by itself"
    with story.on("2026-03-12"):
        story.platforms.change(ERP, "accountingPeriod", "Mar 2026", closed=False)
        billed_anew(story, "INV-ANEW")
    assert Invoice.objects.get(number="INV-ANEW").state == "posted"
    assert len(story.documents()) == 1 and nothing_open()
    # Touched once more, it is nothing new.
    becomes(story, to_be_voided, "Canceled", "2026-03-13")
    assert Case.objects.count() == 1 and len(story.documents()) == 1


def test_what_was_asked_for_meanwhile_is_asked_for_no_longer(story: Story, to_be_voided: str) -> None:
    with story.on("2026-03-10"):
        after_all.ask(user("carla"), Case.objects.get().id, "it is owed")
    asked = Approval.objects.get(state="requested")
    becomes(story, to_be_voided, "Canceled", "2026-03-11")
    asked.refresh_from_db()
    assert (asked.state, Invoice.objects.get().state) == ("withdrawn", "voided")
    assert not desk.approve(user("dmitri"), [asked.id], "as agreed").done and not story.documents()


def test_posted_again_in_billing_a_second_person_is_asked(story: Story, to_be_voided: str) -> None:
    becomes(story, to_be_voided, "Canceled", "2026-03-11")
    becomes(story, to_be_voided, "Posted", "2026-03-13")
    assert Case.objects.get(reason="invoice_given_up").state == "awaiting_approval" and not story.documents()
    with story.on("2026-03-14"):
        story.platforms.change(ERP, "accountingPeriod", "Mar 2026", closed=False)
        sign(1)
        story.flow.work()
    assert entry(to_be_voided).state == "posted" and len(story.documents()) == 1 and nothing_open()


@pytest.mark.parametrize("is_given_up", [False, True])
def test_put_back_in_billing_as_it_was_it_is_posted_once_wanted(story: Story, is_given_up: bool) -> None:
    """Billing dates it in April, and takes that back; the month is open again in the ledger."""
    with story.on("2026-03-09"):
        number = billed_in_a_closed_month(story)
        waits = Case.objects.get()
        if is_given_up:
            close(waits)
    with story.on("2026-04-02"):
        story.platforms.change("zuora", "invoice", number, invoiceDate="2026-04-02", dueDate="2026-05-02")
        story.flow.poll("zuora")
        story.flow.work()
        changed = Case.objects.get(reason="invoice_changed")
        assert changed.state == "open"
        (told,) = changed.context["findings"]
        assert "everse its journal" not in told["remedy"] and "leaves the books here" in told["remedy"]
    with story.on("2026-04-03"):
        story.platforms.change("zuora", "invoice", number, invoiceDate="2026-03-09", dueDate="2026-04-08")
        story.platforms.change(ERP, "accountingPeriod", "Mar 2026", closed=False)
        story.flow.poll("zuora")
        story.flow.work()
        assert Case.objects.get(id=changed.id).state == "resolved"
        if is_given_up:
            assert after_all.why_not(Case.objects.get(id=waits.id)) == ""
            after_all.ask(user("carla"), waits.id, "it is owed as it was")
            sign(1)
        else:
            desk.replay_one(user("carla"), waits.id)
        story.flow.work()
    assert entry(number).state == "posted" and len(story.documents()) == 1 and nothing_open()


def lost(story: Story, fault: str) -> str:
    """The number of an invoice whose journal was sent, and given up before anybody knew whether it is there."""
    with story.on("2026-03-09"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "STAGES", {name: one for name, one in flow.STAGES.items() if name != "post_journal"})
        story.close(training("SO-3001", dt.date(2026, 3, 9)))
        (number,) = story.bill()
        story.platforms.fault(ERP, fault, "create_journal", times=1)
        run.run_stage("post_journal")
        story.platforms.fault(ERP, "unavailable", "suiteql")
    # Asked until nobody asks any more.
    Step.objects.filter(stage="post_journal").update(failures={"platform_unavailable": 99})
    with story.on("2026-03-09", "10:00"):
        run.run_stage("post_journal")
    step = Step.objects.get(stage="post_journal")
    assert (step.state, step.sent_at is not None) == ("failed", True)
    with story.on("2026-03-10"):
        close(Case.objects.get())
    story.platforms.control("", "faults", method="DELETE")
    return number


def wanted(story: Story, number: str) -> Case:
    """Billing cancels it, and the case says what to do about a journal that nobody can reverse yet."""
    becomes(story, number, "Canceled", "2026-03-11")
    assert Invoice.objects.get().state == "recorded"
    told = Case.objects.get(reason="invoice_taken_back")
    closed = Case.objects.get(stage="post_journal")
    to_do = billing_now.what_to_do(told)
    assert told.state == "open" and f"was given up ({closed.shown})" in to_do and "only looked for" in to_do
    with story.on("2026-03-11", "11:00"):
        with pytest.raises(NotPossible, match="only a posted one is reversed"):
            requests.reverse_journal(user("carla"), entry(number), dt.date(2026, 3, 11), "void")
        after_all.ask(user("carla"), closed.id, "have the ledger asked")
        sign(1)
        story.flow.work()
    return told


def test_what_was_sent_and_is_not_there_leaves_the_books_and_is_not_sent(story: Story) -> None:
    number = lost(story, "drop_before")
    # No more than the search is needed: the ledger would take nothing of that month.
    story.platforms.change(ERP, "accountingPeriod", "Mar 2026", closed=True)
    told = wanted(story, number)
    assert (Invoice.objects.get().state, JournalEntry.objects.get().state) == ("voided", "superseded")
    assert story.documents() == [] and nothing_open()
    told.refresh_from_db()
    assert (
        ending.told(told)
        == "It ended by itself: nothing of it was posted, and the books here hold none of it any more."
    )
    asked = Case.objects.get(stage="post_journal")
    assert ending.told(asked) == "It was looked for in netsuite and not sent: zuora has taken the invoice back since."
    step = Step.objects.get(stage="post_journal")
    assert (step.state, step.document) == ("done", "") and step.proof["searches"][-1]["found"] is None
    with story.on("2026-03-12"):
        story.platforms.change(ERP, "accountingPeriod", "Mar 2026", closed=False)
        billed_anew(story, "INV-ANEW")
    assert Invoice.objects.get(number="INV-ANEW").state == "posted" and len(story.documents()) == 1


def test_what_was_sent_and_is_there_is_posted_and_reversed(story: Story) -> None:
    number = lost(story, "drop_after")
    told = wanted(story, number)
    assert entry(number).state == "posted" and len(story.documents()) == 1
    with story.on("2026-03-12"):
        requests.reverse_journal(user("carla"), entry(number), dt.date(2026, 3, 12), "billing voided it")
        story.flow.work()
        sign(1)
        story.flow.work()
        billed_anew(story, "INV-ANEW")
    told.refresh_from_db()
    assert told.state == "resolved" and len(story.documents()) == 3 and nothing_open()
    assert Invoice.objects.get(number="INV-ANEW").state == "posted"
