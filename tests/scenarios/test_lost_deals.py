"""Sales takes a deal back that was won, and nothing of it is sold by itself any more.

9 Mar 2026   An order waits: for an item mapping, for the credit service, or for a second person.
10 Mar       The opportunity leaves Closed Won. The order's step is out of work; whatever comes right after that, nothing
             is accepted, provisioned or billed. An order that is accepted is a case of sales ops instead.
12 Mar       Won again, it is a fact of its own and goes its way.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.models import Approval, Case
from exceptions.policies import SALES
from q2c import keys
from q2c.demo import catalogue
from q2c.demo.deals import Line
from q2c.engine import breaker, callouts, replay, run
from q2c.engine.claim import claim
from q2c.models import Callout, Connection, Event, Product, Step, Subscription
from tests.scenarios.conftest import LEEDS, Story, order, the_case
from tests.scenarios.test_three_owners import deal
from tests.scenarios.test_undoing import tell
from tests.ui.people import boss, read, signed_in

pytestmark = [pytest.mark.django_db(transaction=True)]

MONTHLY = Line(product="PLATFORM", group="UK", quantity=20, frequency="monthly")
UNMAPPED = Line(product="VAULT", group="UK", quantity=80, frequency="monthly")
DISCOUNTED = Line(product="PLATFORM", group="UK", quantity=20, frequency="monthly", discount_percent=60)


def opportunity(story: Story) -> str:
    (only,) = story.platforms.records("salesforce", "Opportunity")
    return str(only["id"])


def to(story: Story, stage: str) -> None:
    story.platforms.change("salesforce", "Opportunity", opportunity(story), StageName=stage)


def seen(story: Story) -> None:
    story.flow.poll("salesforce")
    story.flow.work()


def called_out(story: Story) -> str:
    """A push instead of a poll. Returns what became of it."""
    callouts.call_out(Connection.objects.get(service="crm"), [opportunity(story)], keys.new_id())
    callouts.fetch_called_out()
    story.flow.work()
    return Callout.objects.latest("called_at").text


def steps() -> list[tuple[str, str]]:
    return list(Step.objects.filter(stage="accept_order").order_by("seq").values_list("state", "reason"))


@pytest.mark.parametrize("way", [seen, called_out])
@pytest.mark.parametrize("stage", ["Closed Lost", "Negotiation"])
def test_lost_while_its_case_is_open(story: Story, way: Any, stage: str) -> None:
    with story.on("2026-03-09"):
        story.close(deal("SO-2001", LEEDS, UNMAPPED))
        case = the_case(business_key="SO-2001")
        assert (case.reason, case.state) == ("item_mapping_missing", "open")
    with story.on("2026-03-10"):
        to(story, stage)
        way(story)
        case.refresh_from_db()
        assert (case.state, case.resolution) == ("resolved", "superseded")
        step = Step.objects.get(stage="accept_order")
        assert (step.state, step.reason) == ("abandoned", "superseded")
        assert step.text == f"The deal is no longer won in salesforce as of 2026-03-10 09:00 UTC (it is {stage} there)"
        assert case.events.filter(text=step.text).exists()
    with story.on("2026-03-11", "11:00"):
        catalogue.mapping(Product.objects.get(code="VAULT"), dt.date(2026, 3, 1)).save()
        assert replay.replay([step.id], "ben") == []
        seen(story)
        assert (order("SO-2001").state, Subscription.objects.count(), story.bill()) == ("received", 0, [])
        assert Case.objects.count() == 1
    with story.on("2026-03-12"):
        to(story, "Closed Won")
        way(story)
        assert steps() == [("abandoned", "superseded"), ("done", "")]
        assert order("SO-2001").state == "active"
        assert Event.objects.filter(type="OrderReceived").count() == 2


def test_lost_while_it_waits_for_the_credit_service(story: Story) -> None:
    with story.on("2026-03-09"):
        story.platforms.fault("credit", "unavailable")
        story.close(deal("SO-2001", LEEDS, MONTHLY))
        assert order("SO-2001").state == "received"
        to(story, "Negotiation")
    with story.on("2026-03-09", "09:20"):
        story.flow.poll("salesforce")
        story.platforms.no_fault("credit")
    with story.on("2026-03-09", "10:30"):
        breaker.probe_due()
        story.flow.work()
        assert steps() == [("abandoned", "superseded")]
        assert (order("SO-2001").state, Subscription.objects.count()) == ("received", 0)
    with story.on("2026-03-09", "11:00"):
        to(story, "Closed Won")
        seen(story)
        assert order("SO-2001").state == "active"


def test_lost_while_a_second_person_is_asked(story: Story) -> None:
    with story.on("2026-03-09"):
        story.close(deal("SO-2001", LEEDS, DISCOUNTED))
        assert order("SO-2001").state == "awaiting_approval"
        assert Approval.objects.get().state == "requested"
    with story.on("2026-03-10"):
        to(story, "Closed Lost")
        seen(story)
        assert Approval.objects.get().state == "withdrawn"
        assert the_case().state == "resolved"
        assert order("SO-2001").state == "received"
    with story.on("2026-03-11"):
        to(story, "Closed Won")
        seen(story)
        # Asked anew: nobody has signed for it.
        assert order("SO-2001").state == "awaiting_approval"
        assert sorted(Approval.objects.values_list("state", flat=True)) == ["requested", "withdrawn"]


@pytest.mark.parametrize("way", [seen, called_out])
def test_lost_after_it_was_accepted_is_told_once_per_loss(story: Story, way: Any) -> None:
    with story.on("2026-03-09"):
        story.close(deal("SO-2001", LEEDS, MONTHLY))
        assert order("SO-2001").state == "active"
    with story.on("2026-03-10"):
        to(story, "Closed Lost")
        way(story)
        case = the_case()
        assert (case.reason, case.code, case.state, case.owner_team_id) == (
            "order_changed",
            "no_longer_won",
            "open",
            SALES,
        )
        assert (case.business_key, case.customer) == ("SO-2001", LEEDS.name)
        assert (case.amount_minor, case.currency) == (order("SO-2001").total_minor, "GBP")
        assert case.text == (
            "The deal is no longer won in salesforce as of 2026-03-10 09:00 UTC (it is Closed Lost there), "
            "and order SO-2001 is active here: cancel the order, or take the loss back there"
        )
    with story.on("2026-03-11"):
        story.platforms.change("salesforce", "Opportunity", opportunity(story), Description="Lost on price")
        way(story)
        case.refresh_from_db()
        assert (Case.objects.count(), case.attempts) == (1, 1)
    with story.on("2026-03-12"):
        to(story, "Closed Won")
        way(story)
        case.refresh_from_db()
        assert (case.state, case.resolution) == ("resolved", "resolved_by_itself")
        assert order("SO-2001").state == "active"
    with story.on("2026-03-13"):
        to(story, "Closed Lost")
        way(story)
        assert sorted(Case.objects.values_list("state", flat=True)) == ["open", "resolved"]
    assert Subscription.objects.get().state == "active"


def test_its_case_says_what_the_invoices_of_the_order_booked(story: Story) -> None:
    with story.on("2026-03-09"):
        story.close(deal("SO-2001", LEEDS, MONTHLY))
        story.bill()
    with story.on("2026-03-10"):
        to(story, "Closed Lost")
        seen(story)
        page = read(signed_in(boss()), f"/cases/{the_case().id}")
    assert "The order itself books nothing; its invoices do: 1 posted." in page and "Nothing is booked" not in page


def test_its_case_ends_once_the_order_is_cancelled(story: Story) -> None:
    with story.on("2026-03-09"):
        story.close(deal("SO-2001", LEEDS, MONTHLY))
    with story.on("2026-03-10"):
        to(story, "Closed Lost")
        seen(story)
        tell("OrderCancelRequested", "c-1", order_number="SO-2001", effective_on="2026-03-09", reason="lost")
        story.flow.work()
        assert (order("SO-2001").state, the_case().state) == ("cancelled", "open")
    with story.on("2026-03-10", "09:30"):
        # The write-back of it was a change of the opportunity.
        seen(story)
        assert (the_case().state, the_case().resolution) == ("resolved", "resolved_by_itself")
    with story.on("2026-03-12"):
        to(story, "Closed Won")
        seen(story)
        seen(story)
        case = the_case(code="won_again")
        assert (case.state, case.owner_team_id, case.attempts) == ("open", SALES, 1)
        assert "order SO-2001 is cancelled here: close it as a new deal" in case.text
        assert (order("SO-2001").state, Case.objects.count()) == ("cancelled", 2)


def test_deleted_is_lost_too(story: Story) -> None:
    with story.on("2026-03-09"):
        story.close(deal("SO-2001", LEEDS, UNMAPPED))
    with story.on("2026-03-10"):
        story.sales._send("DELETE", f"sobjects/Opportunity/{opportunity(story)}")
        seen(story)
        assert steps() == [("abandoned", "superseded")]
        assert "(it is deleted there)" in Step.objects.get(stage="accept_order").text


def test_what_is_being_checked_is_looked_at_again(story: Story) -> None:
    with story.on("2026-03-09"):
        story.sales.close([deal("SO-2001", LEEDS, UNMAPPED)])
        story.flow.poll("salesforce")
        claimed = claim("accept_order", 10)
        to(story, "Closed Lost")
    with story.on("2026-03-09", "09:01"):
        story.flow.poll("salesforce")
        assert steps() == [("running", "")]
        run.run_claimed("accept_order", claimed)
        assert steps() == [("failed", "item_mapping_missing")]
    with story.on("2026-03-09", "09:02"):
        callouts.fetch_called_out()
        assert steps() == [("abandoned", "superseded")]
        assert the_case().resolution == "superseded"


def test_one_that_never_came_here_is_nothing(story: Story) -> None:
    with story.on("2026-03-09"):
        story.sales.close([deal("SO-2001", LEEDS, MONTHLY)])
        to(story, "Closed Lost")
        seen(story)
        called_out(story)
        assert (steps(), Case.objects.count()) == ([], 0)
