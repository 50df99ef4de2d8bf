"""Billing takes an invoice back before it is booked, before its journal is sent, or after: what is not owed is not booked.

9 Mar 2026   Leeds Railways buys seats for a year, billed ahead.
11 Mar       Billing cancels the invoice. Wherever it waits, it leaves the flow; what was posted is told to a person.
13 Mar       Billing posts it again: it is owed, and booked, or somebody is told.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.models import Approval, Case
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c.demo.company import ERP
from q2c.demo.people import user
from q2c.engine import decisions, desk
from q2c.models import CommercialPolicy, Event, Invoice, Order, OrderLine, Step
from q2c.reading import given_up, given_up_before
from q2c.ui import ending
from tests.past_guards import past_guards
from tests.scenarios.conftest import Story, entry
from tests.scenarios.test_lost_answer import billed_in_a_closed_month, training
from tests.scenarios.test_undoing import sign, sold, tell  # noqa: F401
from tests.ui.people import read

pytestmark = pytest.mark.django_db(transaction=True)
DAY = dt.date(2026, 3, 9)


def march() -> FiscalPeriod:
    return FiscalPeriod.objects.get(entity__code="UK", subledger="receivables", name="2026-03")


def becomes(story: Story, invoice: str, status: str, day: str, time: str = "10:00") -> None:
    with story.on(day, time):
        story.platforms.change("zuora", "invoice", invoice, status=status)
        story.flow.poll("zuora")
        story.flow.work()


def reopen() -> None:
    asked = decisions.ask_to_reopen(user("carla"), march(), "closed too early")
    assert desk.approve(user("dmitri"), [asked.id], "as agreed").done


def told(state: str) -> list[str]:
    return list(Case.objects.filter(state=state).order_by("id").values_list("resolution", flat=True))


def test_what_waits_to_be_recorded_leaves_the_flow_and_comes_back_with_billing(story: Story) -> None:
    with story.on("2026-03-09"):
        periods.close(march(), by="dmitri", why="closed too early")
        story.close(training("SO-3001", DAY))
        (number,) = story.bill()
    assert Case.objects.get().reason == "period_closed"
    becomes(story, number, "Canceled", "2026-03-11")
    ended = Case.objects.get()
    assert (ended.state, ended.resolution) == ("resolved", "superseded")
    step = Step.objects.get(stage="record_invoice")
    assert (step.state, step.reason) == ("abandoned", "superseded") and "took it back" in step.text
    with story.on("2026-03-12"):
        reopen()
        story.flow.work()
    assert not Invoice.objects.exists() and not JournalEntry.objects.exists()
    # Twice: each time it is owed again.
    for day, status, posted in (("13", "Posted", 1), ("14", "Posted", 1)):
        becomes(story, number, status, f"2026-03-{day}")
        assert entry(number).state == "posted" and len(story.documents()) == posted
    assert Event.objects.filter(type="InvoiceIssued").count() == 2


def test_what_was_given_up_is_told_to_be_taken_back_and_asked_about_where_billing_posts_it_again(story: Story) -> None:
    with story.on("2026-03-09"):
        periods.close(march(), by="dmitri", why="closed too early")
        story.close(training("SO-3001", DAY))
        (number,) = story.bill()
    with story.on("2026-03-10"):
        desk.close_without_fix(user("ben"), [Case.objects.get().id], "credited there", "other")
        sign(1)
        assert [one.number for one in given_up.of_order(user("carla"), Order.objects.get())] == [number]
    becomes(story, number, "Canceled", "2026-03-11")
    becomes(story, number, "Canceled", "2026-03-11", "11:00")
    closed = Case.objects.get()
    assert closed.events.filter(kind="taken_back").count() == 1 and not given_up.of_open_months(user("carla"))
    with story.on("2026-03-12"):
        reopen()
    becomes(story, number, "Posted", "2026-03-13")
    assert Case.objects.get(reason="invoice_given_up").state == "awaiting_approval" and not Invoice.objects.exists()
    with story.on("2026-03-14"):
        sign(1)
        story.flow.work()
    assert entry(number).state == "posted" and not given_up.of_order(user("carla"), Order.objects.get())


def test_what_waits_for_a_signature_is_asked_for_no_longer(story: Story) -> None:
    CommercialPolicy.objects.update_or_create(entity="UK", defaults={"tax_tolerance_percent": 0})
    with story.on("2026-03-09"):
        story.close(training("SO-3001", DAY))
        with past_guards():
            OrderLine.objects.update(tax_estimate_minor=1)
        (number,) = story.bill()
    assert Approval.objects.get().state == "requested"
    becomes(story, number, "Canceled", "2026-03-11")
    assert Approval.objects.get().state == "withdrawn" and not Invoice.objects.exists()
    assert Case.objects.get().state == "resolved"


def test_a_journal_that_was_never_sent_is_not_sent_and_its_invoice_is_voided(story: Story) -> None:
    with story.on("2026-03-09"):
        number = billed_in_a_closed_month(story)
    assert entry(number).state == "blocked"
    becomes(story, number, "Canceled", "2026-03-11")
    assert (Invoice.objects.get().state, JournalEntry.objects.get().state) == ("voided", "superseded")
    assert told("resolved") == ["superseded"]
    assert ending.told(Case.objects.get()) == "It ended without a replay: zuora has taken the invoice back since."
    with story.on("2026-03-12"):
        story.platforms.change(ERP, "accountingPeriod", "Mar 2026", closed=False)
        story.flow.work()
    assert story.documents() == []
    becomes(story, number, "Posted", "2026-03-13")
    (document,) = story.documents()
    assert Invoice.objects.get(state="posted").number == number and document["number"]


def test_what_was_reversed_here_and_is_posted_again_there_is_told(story: Story, sold: str) -> None:  # noqa: F811
    becomes(story, sold, "Reversed", "2026-03-11")
    with story.on("2026-03-12"):
        asked = {"journal_id": str(entry(sold).id), "effective_on": "2026-03-12", "reason": "billing reversed it"}
        tell("JournalReversalRequested", "r-1", **asked)
        story.flow.work()
        sign(1)
        story.flow.work()
    becomes(story, sold, "Posted", "2026-03-13")
    stuck = Case.objects.get(state="open")
    assert (stuck.reason, stuck.business_key) == ("invoice_changed", sold)
    assert "the books hold none of it. zuora has it posted as it was booked" in stuck.text
    # Touched again, it is one case still.
    becomes(story, sold, "Posted", "2026-03-14")
    assert Case.objects.filter(state="open").count() == 1


def test_each_time_that_billing_takes_back_what_is_booked_is_told(story: Story, sold: str) -> None:  # noqa: F811
    for day, status, open_ in (
        ("11", "Reversed", 1),
        ("13", "Posted", 0),
        ("15", "Reversed", 1),
        ("16", "Reversed", 1),
    ):
        becomes(story, sold, status, f"2026-03-{day}")
        assert Case.objects.filter(state="open").count() == open_, (day, status)
    assert Case.objects.count() == 2 and entry(sold).state == "posted"


def test_taken_back_once_more_after_its_case_was_closed_it_is_a_case_that_names_the_earlier_one(
    story: Story,
    sold: str,  # noqa: F811
    client: Any,
) -> None:
    becomes(story, sold, "Reversed", "2026-03-11")
    first = Case.objects.get()
    with story.on("2026-03-11", "12:00"):
        desk.close_without_fix(user("ben"), [first.id], "settled by hand", "other")
        sign(1)
    # Touched, it is the same time still, which people have decided about.
    for day, status in (("12", "Reversed"), ("12", "Canceled"), ("13", "Posted")):
        becomes(story, sold, status, f"2026-03-{day}", "14:00")
        assert Case.objects.count() == 1, (day, status)
    becomes(story, sold, "Reversed", "2026-03-15")
    second = Case.objects.get(state="open")
    assert first.shown in second.text and second.code == first.code
    before = given_up_before.of(user("carla"), [second, first])
    assert {id_: one.case for id_, one in before.items()} == {second.id: first}
    assert before[second.id].by.count(" and ") == 1
    becomes(story, sold, "Reversed", "2026-03-16")
    assert Case.objects.count() == 2
    with story.on("2026-03-17"):
        client.force_login(user("carla"))
        assert "Given up before by" in read(client, f"/cases/{second.id}")
        desk.close_without_fix(user("ben"), [second.id], "settled by hand", "other")
        sign(1)
    becomes(story, sold, "Reversed", "2026-03-18")
    assert Case.objects.count() == 2
