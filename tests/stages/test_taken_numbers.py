"""Billing holds something under our number: what is not ours is left alone, what may be ours is waited for."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from exceptions.models import Case
from q2c.connectors.outcomes import Accepted, Posted
from q2c.contracts.documents import OrderDocument
from q2c.engine import gates, replay, run
from q2c.models import Step
from q2c.stages.provision_billing import subscription_of
from tests.scenarios.conftest import HARBOR, Story, order
from tests.stages.test_provisioning import accepted, billing_orders, cancel, deal, seats, states

pytestmark = pytest.mark.django_db(transaction=True)


def ordered_by_hand(number: str = "SO-1", group: str = "US") -> None:
    """A person in Zuora makes the subscription before we do, under our number, and not as it was sold."""
    made = order(number)
    document = msgspec.json.decode(made.document, type=OrderDocument)
    ours = subscription_of(made, document, made.groups.get(key=group))
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
