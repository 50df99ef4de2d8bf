"""Subscriptions that somebody cancelled in billing by hand: the order can be cancelled, and the others do not go on.

SO-1 has a subscription in the US and one in Germany, active since March. The US one was cancelled in Zuora.
"""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.models import Approval, Case
from q2c.connectors.zuora.client import Zuora
from q2c.engine import desk, replay, watch
from q2c.models import Step, Transition
from q2c.money import Money
from q2c.reading import cancellation, credits_due
from q2c.stages import commitments, term_of_invoices
from q2c.ui import formats
from tests.connectors.control import Control
from tests.scenarios.conftest import HARBOR, Story, order
from tests.stages.test_cancelled_in_part import (
    DE,
    US,
    WHOLE,
    ann,
    half_done,
    here,
    requested,
    sofia,
    sold,
    there,
)
from tests.stages.test_provisioning import cancel, deal, seats

__all__ = ["ann", "sofia", "sold"]

pytestmark = pytest.mark.django_db(transaction=True)


def by_hand(number: str, day: str | None) -> None:
    Control("zuora").edit("subscription", number, cancelledOn=day)


def the_case() -> Case:
    return Case.objects.get(state="open")


def test_cancelled_there_on_the_day_asked_for_the_others_are_cancelled_too(sold: Story) -> None:
    with sold.on("2026-03-20", "12:00"):
        by_hand(US, "2026-03-20")
        cancel(sold, on="2026-03-20")
    assert (requested(), here(), there(sold)) == (["done"], WHOLE, {US: "2026-03-20", DE: "2026-03-20"})
    assert (half_done().document, Case.objects.count()) == (f"X-SO-1-DE, {US}", 0)
    assert commitments.unbilled(["A-1", "A-2"]) == {}
    assert cancellation.ended_before(order("SO-1")) == ""


def test_cancelled_there_before_the_day_asked_for_counts_as_of_billings_day(
    sold: Story, sofia: Any, client: Any
) -> None:
    with sold.on("2026-03-05", "12:00"):
        sold.bill()
    told = f"billing had ended {US} as of 2026-03-10 (asked for as of 2026-03-20) already"
    with sold.on("2026-03-20", "12:00"):
        by_hand(US, "2026-03-10")
        cancel(sold, on="2026-03-20")
        desk.approve(sofia, list(Approval.objects.values_list("id", flat=True)), "agreed")
        sold.flow.work()
        assert (requested(), here(), there(sold)) == (["done"], WHOLE, {US: "2026-03-10", DE: "2026-03-20"})
        # Both days stand on the order's page, its timeline and the case.
        assert cancellation.ended_before(order("SO-1")) == told
        client.force_login(sofia)
        page = client.get(f"/orders/{order('SO-1').id}").content.decode()
        said = formats.dates(f"{told[0].upper()}{told[1:]}.")
        assert said in page and page.count(formats.dates(told[8:])) > 1
        assert told in Transition.objects.filter(record_id=order("SO-1").id).latest("id").why
        (case,) = Case.objects.all()
        assert case.state == "resolved"
        found = client.get(f"/cases/{case.id}").content.decode()
        assert "it ended as of 2026-03-10, asked for was 2026-03-20" in found
        # What is to be credited is counted from each one's own day: 22 of 31 days of USD 480, 12 of EUR 440.
        ends = term_of_invoices.ended([order("SO-1")])
        assert [f"{ends[order('SO-1').id, group].on}" for group in ("US", "DE")] == ["2026-03-10", "2026-03-20"]
        due = sorted(cancellation.not_credited(order("SO-1")).worth, key=str)
        assert Money(34_065, "USD") in due and due == sorted(
            (Money(*one) for one in credits_due.due(sofia).total.sums), key=str
        )


def test_cancelled_there_as_of_a_later_day_is_a_case_that_ends_with_billings_day(
    sold: Story, sofia: Any, ann: Any
) -> None:
    with sold.on("2026-03-20", "12:00"):
        by_hand(US, "2026-04-10")
        cancel(sold, on="2026-03-20")
        case = the_case()
        assert case.reason == "subscription_ended"
        assert (
            f"{US} as of 2026-04-10, cancelled there; it was asked for as of 2026-03-20. Billing has cancelled {DE}"
            in case.text
        )
        # The other one does not wait for that.
        assert (requested(), there(sold)) == (["failed"], {US: "2026-04-10", DE: "2026-03-20"})
        assert here() == {"order": "active", US: "active", DE: "cancelled"}
        # Whoever owns it does what the case says: closes it, and asks for billing's day.
        desk.close_without_fix(ann, [case.id], "until 10 April was agreed", "other")
        desk.approve(sofia, list(Approval.objects.filter(state="requested").values_list("id", flat=True)), "yes")
        cancel(sold, on="2026-04-10")
        assert requested() == ["abandoned", "waiting"]
    with sold.on("2026-04-10", "12:00"):
        sold.flow.work()
    assert (requested(), here()) == (["abandoned", "done"], WHOLE)
    assert there(sold) == {US: "2026-04-10", DE: "2026-03-20"}


def test_one_subscription_cancelled_later_there_gives_way_to_a_request_for_that_day(story: Story) -> None:
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR}, seats("US")))
    with story.on("2026-03-05"):
        story.flow.work()
        by_hand(US, "2026-03-10")
        cancel(story, on="2026-03-05")
        assert (requested(), the_case().reason) == (["failed"], "subscription_ended")
        cancel(story, on="2026-03-10")
    with story.on("2026-03-10", "12:00"):
        story.flow.work()
    assert (requested(), here()) == (["abandoned", "done"], {"order": "cancelled", US: "cancelled"})
    assert not Case.objects.filter(state="open").exists()


def test_taken_back_there_it_is_offered_and_cancelled_as_asked(sold: Story) -> None:
    with sold.on("2026-03-20", "12:00"):
        by_hand(US, "2026-04-10")
        cancel(sold, on="2026-03-20")
        by_hand(US, None)
        assert watch.watch_blockers()["offers"] == 1
        replay.replay([half_done().id], "ann")
        sold.flow.work()
    with sold.on("2026-03-20", "14:00"):
        sold.flow.work()
    assert (requested(), here(), there(sold)) == (["done"], WHOLE, {US: "2026-03-20", DE: "2026-03-20"})


def test_what_billing_refuses_of_the_first_stops_no_other(sold: Story) -> None:
    with sold.on("2026-03-20", "12:00"):
        sold.platforms.fault("zuora", "business_failure", "create_order", times=1)
        cancel(sold, on="2026-03-20")
        assert the_case().reason == "subscription_refused"
        assert sorted(there(sold).values(), key=str) == ["2026-03-20", None]
        replay.replay([half_done().id], "ann")
        sold.flow.work()
    with sold.on("2026-03-20", "14:00"):
        sold.flow.work()
    assert (requested(), here()) == (["done"], WHOLE)


def test_a_phase_of_what_was_cancelled_there_is_a_case_that_ends_with_its_order(story: Story) -> None:
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR}, seats("US")))
    with story.on("2026-03-01", "12:00"):
        by_hand(US, "2026-03-01")
        story.flow.work()
        case = the_case()
        assert (case.stage, case.reason) == ("activate_subscription", "subscription_ended")
        assert (
            case.text == f"Zuora has ended subscription {US} as of 2026-03-01; its phase 1 was to begin on 2026-03-01"
        )
        assert here() == {"order": "provisioning", US: "provisioned"}
        cancel(story, on="2026-03-01")
    assert (requested(), here()) == (["done"], {"order": "cancelled", US: "cancelled"})
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "superseded")
    assert Step.objects.get(stage="activate_subscription").state == "abandoned"
    assert commitments.unbilled(["A-1"]) == {}


def test_a_phase_that_meets_its_orders_cancellation_is_nobodys_case(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is cancelled, there and here, between the worker's look at it and its call."""
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR}, seats("US")))
    true = Zuora.activate

    def activate(self: Zuora, *told: Any) -> Any:
        cancel(story, on="2026-03-01")
        return true(self, *told)

    monkeypatch.setattr(Zuora, "activate", activate)
    with story.on("2026-03-01", "12:00"):
        story.flow.work()
    step = Step.objects.get(stage="activate_subscription")
    assert (step.state, step.proof["not_needed"]) == ("done", "subscription cancelled")
    assert here() == {"order": "cancelled", US: "cancelled"} and not Case.objects.exists()
