"""Two people give an invoice up as test data, and billing still has it: it is not booked until a person says so.

9 Mar 2026   Leeds Railways is billed a training in a month in which the ledger takes no journal. It was a test:
             its case is closed without fix, its invoice voided here. Billing keeps it posted.
11 Mar       Billing touches it, calls it out, changes it, cancels it, posts it again; or somebody wants it after all.
"""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.errors import NotPossible, Refused
from exceptions.models import Approval, Case
from q2c import tasks
from q2c.demo.company import ERP
from q2c.demo.people import user
from q2c.engine import after_all, desk
from q2c.models import Event, Invoice, Order, Step
from q2c.reading import given_up, what_stays
from tests.scenarios.conftest import Story, entry
from tests.scenarios.test_lost_answer import billed_in_a_closed_month
from tests.scenarios.test_reads_that_meet import billed, is_reversed, reads
from tests.scenarios.test_undoing import sign, sold, tell  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def test_data(story: Story) -> str:
    """The number of an invoice that was given up; what had stopped its journal is put right."""
    with story.on("2026-03-09"):
        number = billed_in_a_closed_month(story)
        desk.close_without_fix(user("carla"), [Case.objects.get().id], "never sold", "test_data")
        sign(1)
        story.platforms.change(ERP, "accountingPeriod", "Mar 2026", closed=False)
    assert Invoice.objects.get().state == "voided"
    return number


def touched(story: Story, number: str, day: str, way: str = "poll", **changes: Any) -> None:
    with story.on(day):
        if changes:
            story.platforms.change("zuora", "invoice", number, **changes)
        reads(story, way)
        story.flow.work()


def listed() -> list[str]:
    """What the order tells as given up, and so the close."""
    found = given_up.of_order(user("carla"), Order.objects.get())
    assert bool(found) == bool(given_up.of_open_months(user("carla")))
    return [one.number for one in found]


def the_question() -> Case:
    return Case.objects.get(reason="invoice_given_up")


def stays_out(story: Story) -> bool:
    return not story.documents() and Invoice.objects.get().state == "voided"


@pytest.mark.parametrize(("day", "way"), [("2026-03-11", "poll"), ("2026-03-11", "callout"), ("2026-04-20", "callout")])
def test_what_billing_touches_or_calls_out_once_more_stays_out(
    story: Story, test_data: str, day: str, way: str
) -> None:
    """After 40 days, too, when nobody remembers any more when it was last read."""
    with story.on(day):
        tasks.forget()
    touched(story, test_data, day, way, **({"comments": "reminder sent"} if way == "poll" else {}))
    assert stays_out(story) and listed() == [test_data]
    assert Case.objects.get().state == "closed_without_fix"
    assert Event.objects.filter(type="InvoiceIssued").count() == 1


def test_what_billing_changes_in_it_is_told_and_booked_once_a_person_says_so(story: Story, test_data: str) -> None:
    closed = Case.objects.get()
    touched(story, test_data, "2026-03-11", dueDate="2026-05-01")
    asked = the_question()
    assert asked.state == "awaiting_approval" and stays_out(story) and listed() == []
    assert asked.text == (
        f"Invoice {test_data} was given up on 2026-03-09 ({closed.shown}, test data), and was changed in zuora since: "
        "its due date was 2026-04-08 and is 2026-05-01"
    )
    assert asked.shown in what_stays.has(user("carla"), closed)
    touched(story, test_data, "2026-03-12", comments="reminder sent")
    assert the_question().id == asked.id
    with story.on("2026-03-13"):
        sign(1)
        story.flow.work()
    assert (entry(test_data).state, len(story.documents())) == ("posted", 1)
    assert listed() == [] and f"booked after all since, as {test_data}" in what_stays.has(user("carla"), closed)


def test_refused_it_stays_given_up_whatever_billing_touches(story: Story, test_data: str) -> None:
    touched(story, test_data, "2026-03-11", dueDate="2026-05-01")
    with story.on("2026-03-12"):
        asked = Approval.objects.get(state="requested")
        desk.refuse(user("dmitri"), [asked.id], "still a test")
    assert the_question().state == "closed_without_fix" and listed() == [test_data]
    touched(story, test_data, "2026-03-13", comments="reminder sent")
    assert stays_out(story) and Case.objects.count() == 2 and listed() == [test_data]


def test_cancelled_in_billing_it_ends_quietly_and_posted_again_a_person_is_asked(story: Story, test_data: str) -> None:
    touched(story, test_data, "2026-03-11", status="Canceled")
    assert stays_out(story) and listed() == [] and Case.objects.count() == 1
    assert Case.objects.get().events.filter(kind="taken_back").count() == 1
    touched(story, test_data, "2026-03-13", status="Posted")
    assert the_question().state == "awaiting_approval" and stays_out(story)
    assert "zuora tells of it again, as it was" in the_question().text
    touched(story, test_data, "2026-03-14", status="Canceled")
    assert (the_question().state, the_question().resolution) == ("resolved", "superseded")
    assert not Approval.objects.filter(state="requested").exists() and stays_out(story)


def test_whoever_wants_it_after_all_asks_and_another_one_decides(story: Story, test_data: str) -> None:
    closed = Case.objects.get()
    with story.on("2026-03-11"):
        for _ in range(2):
            after_all.ask(user("carla"), closed.id, "It was sold", "token-1")
        with pytest.raises(NotPossible, match="has come again since"):
            after_all.ask(user("ben"), closed.id, "It was sold")
        story.flow.work()
        asked = Approval.objects.get(state="requested")
        assert asked.requested_by == user("carla")
        assert asked.reason.endswith("asks to book it after all: It was sold")
        with pytest.raises(Refused, match="own request"):
            desk.approve(user("carla"), [asked.id])
        assert stays_out(story) and closed.events.filter(kind="after_all").count() == 1
        sign(1)
        story.flow.work()
    assert entry(test_data).state == "posted" and len(story.documents()) == 1 and listed() == []
    touched(story, test_data, "2026-03-12", comments="reminder sent")
    assert Step.objects.filter(stage="record_invoice").count() == 2 and len(story.documents()) == 1


def test_what_billing_took_back_is_not_asked_for(story: Story, test_data: str) -> None:
    assert after_all.why_not(Case.objects.get()) == ""
    touched(story, test_data, "2026-03-11", status="Canceled")
    with story.on("2026-03-12"), pytest.raises(NotPossible, match="zuora has taken it back"):
        after_all.ask(user("carla"), Case.objects.get().id, "It was sold")


def test_a_reversed_invoice_that_is_touched_after_a_month_is_nobodys_case(story: Story, sold: str) -> None:  # noqa: F811
    is_reversed(story, sold)
    for day in ("2026-04-20", "2026-04-21"):
        with story.on(day):
            tasks.forget()
        touched(story, sold, day, "callout")
    touched(story, sold, "2026-04-22", comments="a payment came")
    assert not Case.objects.filter(stage="record_invoice").exists()


def test_one_that_was_given_up_unreadable_is_asked_about_once_it_can_be_read(story: Story) -> None:
    number = billed(story)
    with story.on("2026-03-09"):
        story.platforms.change("zuora", "invoice", number, Q2C_Entity__c="NOPE")
        reads(story, "poll")
        case = Case.objects.get(step_id=None)
        desk.close_without_fix(user("carla"), [case.id], "never sold", "test_data")
        sign(1)
    with story.on("2026-03-11"):
        story.platforms.change("zuora", "invoice", number, Q2C_Entity__c="")
        reads(story, "poll")
        story.flow.work()
    asked = Case.objects.get(state="awaiting_approval")
    assert not story.documents() and asked.reason == "invoice_given_up"
    case.refresh_from_db()
    assert f"{case.shown}, test data) as it could not be read" in asked.text
    with story.on("2026-03-12"):
        sign(1)
        story.flow.work()
    assert len(story.documents()) == 1
    assert "booked after all since" in what_stays.has(user("carla"), case)
