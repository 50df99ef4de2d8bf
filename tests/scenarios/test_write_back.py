"""Sales reads on the deal how far its order has come.

9 Mar 2026   Leeds Railways buys seats that grow after six months; the answer to the first write-back is lost.
9 Mar        Sales closes another deal while a validation rule in Salesforce refuses every change: billing goes on.
10 Mar       Finance systems has the rule mended and replays: both words arrive, the older one first.
1 Apr        The first order is withdrawn.
9 Sep        The second phase of the other begins, and tells sales nothing new.
"""

from __future__ import annotations

import datetime as dt
import json

import pytest

from exceptions.models import Approval
from exceptions.policies import SYSTEMS
from q2c.demo import people
from q2c.demo.deals import Deal, Line
from q2c.engine import desk
from q2c.models import Attempt, Event, ItemMapping, Step
from tests.scenarios.conftest import LEEDS, Story, order, the_case
from tests.scenarios.test_undoing import tell

pytestmark = pytest.mark.django_db(transaction=True)


def deal(number: str) -> Deal:
    day = dt.date(2026, 3, 9)
    return Deal(
        number=number, customer=LEEDS, closed_on=day, starts_on=day, months=12, contract_entity="UK", currency="GBP",
        groups={"UK": LEEDS},
        lines=[Line(product="PLATFORM", group="UK", quantity=20, frequency="monthly", phases=((6, 20), (6, 50)))],
    )  # fmt: skip


def shown(story: Story, number: str) -> tuple[str | None, str | None]:
    """What the deal shows: order number and status."""
    bodies = [each["body"] for each in story.platforms.records("salesforce", "Opportunity")]
    (body,) = [body for body in bodies if body["Order_Number__c"] == number]
    return body.get("Billing_Order_Number__c"), body.get("Billing_Status__c")


def writes(number: str) -> list[str]:
    """The status of each PATCH that left for an order's deal, in the order of its leaving."""
    steps = Step.objects.filter(stage="write_back", business_key=number).values("id")
    sent = Attempt.objects.filter(step_id__in=steps, method="PATCH").order_by("id")
    return [json.loads(body)["Billing_Status__c"] for body in sent.values_list("request_body", flat=True)]


def test_a_deal_shows_its_order_and_an_answer_that_was_lost_is_looked_up(story: Story) -> None:
    with story.on("2026-03-09"):
        story.platforms.fault("salesforce", "drop_after", "update", times=1)
        story.close(deal("SO-5001"))
        assert order("SO-5001").state == "active"
        assert shown(story, "SO-5001") == ("SO-5001", "Active")
        # Lost, and found by reading: nothing was written twice.
        assert writes("SO-5001") == ["Accepted", "Active"]
        lost = Step.objects.get(stage="write_back", part="Accepted")
        assert (lost.state, lost.attempts, lost.proof["fields"]["Billing_Status__c"]) == ("done", 2, "Accepted")
        # What we wrote is no new version of the deal.
        story.flow.poll("salesforce")
        assert Event.objects.filter(type="OrderReceived").count() == 1
    with story.on("2026-04-01"):
        tell("OrderCancelRequested", "c-1", order_number="SO-5001", effective_on="2026-04-01", reason="withdrawn")
        story.flow.work()
        assert shown(story, "SO-5001") == ("SO-5001", "Cancelled")


def test_a_refused_write_back_holds_up_nothing_but_itself_and_is_replayed_in_order(story: Story) -> None:
    with story.on("2026-03-09"):
        story.platforms.fault("salesforce", "business_failure", "update")
        story.close(deal("SO-5002"))
        case = the_case(business_key="SO-5002")
        assert (case.stage, case.reason, case.owner_team_id) == ("write_back", "request_refused", SYSTEMS)
        assert (case.amount_minor, case.currency, case.entity) == (order("SO-5002").total_minor, "GBP", "UK")
        assert (order("SO-5002").state, shown(story, "SO-5002")) == ("active", (None, None))
        # "Active" waits behind "Accepted".
        assert Step.objects.get(stage="write_back", part="Active").state == "waiting"
    with story.on("2026-03-10", "10:00"):
        story.platforms.no_fault("salesforce")
        desk.replay_one(people.user("mei"), case.id, "the rule is mended")
        story.flow.work()
        case.refresh_from_db()
        assert (case.state, case.resolution) == ("resolved", "fixed_by_replay")
        assert writes("SO-5002") == ["Accepted", "Accepted", "Active"]
        assert shown(story, "SO-5002") == ("SO-5002", "Active")
    with story.on("2026-09-09"):
        story.flow.work()
        assert Event.objects.filter(type="SubscriptionActivated").count() == 2
        assert Step.objects.filter(stage="write_back").count() == 2


def test_an_order_that_no_deal_is_known_of_is_written_back_nowhere(story: Story) -> None:
    with story.on("2026-03-09"):
        story.close(deal("SO-5003"))
        document = json.loads(Event.objects.get(type="OrderReceived").payload) | {"order_number": "SO-5004"}
        assert tell("OrderReceived", "o-1", **document) == "stored"
        story.flow.work()
        assert order("SO-5004").state == "active"
        assert set(Step.objects.filter(stage="write_back").values_list("business_key", flat=True)) == {"SO-5003"}


def test_an_order_that_was_given_up_is_shown_as_rejected(story: Story) -> None:
    with story.on("2026-03-09"):
        ItemMapping.objects.filter(product__code="PLATFORM").delete()
        story.close(deal("SO-5005"))
        case = the_case(business_key="SO-5005")
        assert (case.stage, order("SO-5005").state, writes("SO-5005")) == ("accept_order", "received", [])
        desk.close_without_fix(people.user("tom"), [case.id], "the customer does not want it", "order_entry")
        desk.approve(people.user("dmitri"), list(Approval.objects.values_list("id", flat=True)))
        story.flow.work()
        assert order("SO-5005").state == "rejected"
        assert writes("SO-5005") == ["Rejected"]
        assert shown(story, "SO-5005") == ("SO-5005", "Rejected")
