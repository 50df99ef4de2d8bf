"""Billing holds something under our number: what is not ours is left alone, what may be ours is waited for."""

from __future__ import annotations

import uuid

import msgspec
import pytest
from msgspec.structs import replace

from exceptions.models import Approval, Case
from q2c import clock
from q2c.connectors.outcomes import Accepted, Posted
from q2c.contracts.documents import OrderDocument
from q2c.demo.people import user
from q2c.engine import desk, gates, replay, run
from q2c.models import Step, Subscription
from q2c.stages.orders import account_number
from q2c.stages.provision_billing import subscription_of
from tests.scenarios.conftest import HARBOR, HARBOR_DE, Story, order
from tests.stages.conftest import tell
from tests.stages.test_provisioning import accepted, billing_orders, cancel, deal, seats, states

pytestmark = pytest.mark.django_db(transaction=True)


def ordered_by_hand(number: str = "SO-1", group: str = "US") -> None:
    """A person in Zuora makes the subscription before we do, under our number, and not as it was sold."""
    made = order(number)
    document = msgspec.json.decode(made.document, type=OrderDocument)
    of_group = made.groups.get(key=group)
    ours = subscription_of(made, document, of_group, account_number(of_group.bill_to, of_group.currency))
    theirs = replace(ours, charges=tuple(replace(charge, unit_price=charge.unit_price + 1) for charge in ours.charges))
    port = gates.Gates().open("zuora")
    assert isinstance(taken := port.create_subscription(theirs, "BY-HAND"), Accepted), taken
    assert isinstance(done := port.poll(taken.handle, "BY-HAND"), Posted), done


@pytest.mark.parametrize("refused_first", [False, True], ids=["at the first send", "found by a replay"])
def test_what_somebody_else_made_in_billing_keeps_no_cancellation_waiting(story: Story, refused_first: bool) -> None:
    """Nothing of ours was ever there, so there is nothing to wait for: their subscription stays as it is."""
    with story.on("2026-02-02"):
        accepted(story, deal("SO-1", {"US": HARBOR}, seats("US")))
        run.drain("sync_customer")
        if refused_first:
            story.platforms.fault("zuora", "business_failure", "create_order_async", times=1)
            run.drain("provision_billing")
        ordered_by_hand()
        if refused_first:
            replay.replay([Case.objects.get().step_id], "ann")
        story.flow.work()
        step = Step.objects.get(stage="provision_billing")
        assert (step.state, step.reason, step.sent_at) == ("failed", "content_differs", None)
        cancel(story, on="2026-02-02")
    assert (order("SO-1").state, states("provision_billing")) == ("cancelled", {"abandoned": 1})
    assert Case.objects.get().resolution == "superseded"
    assert billing_orders(story) == ["O-SO-1-US"]


def test_what_is_ours_in_billing_and_was_changed_there_is_waited_for(story: Story) -> None:
    """It would bill on for ever unseen: whoever solves the case says what becomes of it first."""
    with story.on("2026-02-02", "09:00"):
        accepted(story, deal("SO-1", {"US": HARBOR}, seats("US")))
        run.drain("sync_customer")
        story.platforms.fault("zuora", "drop_after", "create_order_async", times=1)
        run.drain("provision_billing")
        (made,) = story.platforms.records("zuora", "order")
        story.platforms.change("zuora", "order", made["number"], status="Cancelled")
    with story.on("2026-02-02", "09:10"):
        run.drain("provision_billing")
        assert Step.objects.get(stage="provision_billing").reason == "content_differs"
        cancel(story, on="2026-03-01")
        waiting = Step.objects.get(stage="cancel_order")
        assert (waiting.state, order("SO-1").state) == ("waiting", "accepted")
        assert "its case" in waiting.text
        story.platforms.change("zuora", "order", made["number"], status="Completed")
        replay.replay([Case.objects.get().step_id], "ann")
    with story.on("2026-02-02", "09:30"):
        story.flow.work()
    assert (order("SO-1").state, billing_orders(story)) == ("cancelled", ["O-SO-1-US", "X-SO-1-US"])


@pytest.mark.parametrize("took_it", [True, False], ids=["billing has it", "billing has none"])
def test_what_may_be_in_billing_although_it_was_given_up_is_cancelled_there(story: Story, took_it: bool) -> None:
    """The answer was lost and no search told; two people closed the case without a fix, then the customer withdrew."""
    with story.on("2026-02-02", "09:00"):
        accepted(story, deal("SO-1", {"US": HARBOR, "DE": HARBOR_DE}, seats("US"), seats("DE")))
        run.drain("sync_customer")
        fault = "drop_after" if took_it else "drop_before"
        story.platforms.fault("zuora", fault, "create_order_async", times=1)
        given_up = lost(story)
    with story.on("2026-02-02", "09:10"):
        closed(Case.objects.get())
        story.flow.work()
        assert (Step.objects.get(id=given_up).state, Subscription.objects.count()) == ("abandoned", 1)
        assert len(story.platforms.records("zuora", "subscription")) == 1 + took_it
    with story.on("2026-03-02"):
        cancel(story, on="2026-03-02")
    step = Step.objects.get(stage="cancel_order")
    assert (step.state, order("SO-1").state) == ("done", "cancelled")
    ended = {row["number"]: row["body"]["cancelledOn"] for row in story.platforms.records("zuora", "subscription")}
    assert set(ended.values()) == {"2026-03-02"} and len(ended) == 1 + took_it
    absent = [one["not_there"] for one in step.proof["cancelled"] if "not_there" in one]
    assert absent == ([] if took_it else [f"S-SO-1-{part(given_up)}"])
    assert len(step.document.split(", ")) == 1 + took_it


def test_what_was_given_up_a_moment_ago_may_still_come_to_billing(story: Story) -> None:
    """An empty search proves nothing before the platform's time for committing is over; a refusal never does."""
    with story.on("2026-02-02", "09:00"):
        accepted(story, deal("SO-1", {"US": HARBOR}, seats("US")))
        run.drain("sync_customer")
        story.platforms.fault("zuora", "drop_before", "create_order_async", times=1)
        lost(story)
        closed(Case.objects.get())
        tell("OrderCancelRequested", "c-1", "back-office", {"order_number": "SO-1", "effective_on": "2026-03-01"})
        run.run_stage("cancel_order")
        waiting = Step.objects.get(stage="cancel_order")
        assert (waiting.state, waiting.sent_at) == ("waiting", None)
        assert "may still come to zuora by provision_billing" in waiting.text
    with story.on("2026-02-02", "09:10"):
        story.platforms.fault("zuora", "business_failure", "read_order", times=1)
        story.flow.work()
        assert (Step.objects.get(stage="cancel_order").state, order("SO-1").state) == ("failed", "accepted")
        replay.replay([Case.objects.get(stage="cancel_order").step_id], "ann")
        story.flow.work()
    assert (order("SO-1").state, billing_orders(story)) == ("cancelled", [])


def lost(story: Story) -> uuid.UUID:
    """The first group is sent, the answer is lost, and nobody can be asked for so long that a person must look."""
    run.run_stage("provision_billing", limit=1)
    step = Step.objects.get(stage="provision_billing", state="unknown")
    moved = Step.objects.filter(id=step.id)
    moved.update(failures={"platform_unavailable": 10_000}, next_at=clock.now())
    story.platforms.fault("zuora", "drop_before", "read_order", times=1)
    run.run_stage("provision_billing", limit=1)
    step = moved.get()
    assert (step.state, step.sent_at is not None) == ("failed", True), (step.state, step.text)
    return step.id


def closed(case: Case) -> None:
    """Ben asks that nothing be done about it, Dmitri agrees."""
    desk.close_without_fix(user("ben"), [case.id], "billing says it has none", "other")
    (asked,) = Approval.objects.filter(state="requested", case=case)
    assert desk.approve(user("dmitri"), [asked.id], "agreed").done == [asked.id]


def part(step_id: uuid.UUID) -> str:
    return Step.objects.get(id=step_id).part
