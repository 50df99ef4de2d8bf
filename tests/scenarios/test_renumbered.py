"""Sales gives a deal another order number: it stays one order, and nothing is sold, billed or booked twice.

9 Mar 2026   SO-2001 is accepted, provisioned and billed; or it waits for an item mapping.
10 Mar       A person edits the order number of the opportunity. Accepted, the order stays as it is, and sales ops hear of
             it; not accepted yet, the order goes on under its new number.
11 Mar       The number is put back, and the case ends by itself.
"""

from __future__ import annotations

import datetime as dt

import pytest

from exceptions.models import Case
from exceptions.policies import SALES
from q2c.demo import catalogue
from q2c.demo.deals import Line
from q2c.engine import replay
from q2c.models import Invoice, Order, Product, Step, Subscription
from tests.scenarios.conftest import LEEDS, Story, order, the_case
from tests.scenarios.test_lost_deals import MONTHLY, UNMAPPED, opportunity, seen, to
from tests.scenarios.test_three_owners import deal
from tests.scenarios.test_undoing import tell

pytestmark = [pytest.mark.django_db(transaction=True)]


def number(story: Story, value: str) -> None:
    story.platforms.change("salesforce", "Opportunity", opportunity(story), Order_Number__c=value)
    seen(story)


def orders() -> list[tuple[str, str]]:
    return list(Order.objects.order_by("number").values_list("number", "state"))


def sold(story: Story, line: Line = MONTHLY) -> None:
    story.close(deal("SO-2001", LEEDS, line))


def test_an_accepted_order_keeps_its_number_and_a_person_hears_of_it(story: Story) -> None:
    with story.on("2026-03-09"):
        sold(story)
        story.bill()
        there = (Subscription.objects.count(), Invoice.objects.count(), len(story.documents()))
    with story.on("2026-03-10"):
        number(story, "SO-2001A")
        story.bill()
        assert orders() == [("SO-2001", "active")]
        assert (Subscription.objects.count(), Invoice.objects.count(), len(story.documents())) == there
        case = the_case()
        assert (case.reason, case.state, case.business_key, case.owner_team_id) == (
            "order_changed", "open", "SO-2001A", SALES,
        )  # fmt: skip
        assert case.text == (
            f"Deal {opportunity(story)} of salesforce has order SO-2001 here, which is active; "
            "it was given number SO-2001A there since"
        )
        assert case.context["findings"][0]["remedy"] == (
            "Have its number put back to SO-2001 in salesforce, and this ends by itself. Is SO-2001A to be sold "
            "instead, cancel order SO-2001 here, and close it as a new deal there"
        )
    with story.on("2026-03-11"):
        number(story, "SO-2001")
        case.refresh_from_db()
        assert (case.state, case.resolution) == ("resolved", "superseded")
        assert orders() == [("SO-2001", "active")]


def test_also_cancelled_it_stays_the_order_of_its_deal(story: Story) -> None:
    """What was billed of it is not sold once more, and what a person ended begins again by no edit of a field."""
    with story.on("2026-03-09"):
        sold(story)
    with story.on("2026-03-10"):
        tell("OrderCancelRequested", "c-1", order_number="SO-2001", effective_on="2026-03-09", reason="sold anew")
        story.flow.work()
        assert order("SO-2001").state == "cancelled"
        number(story, "SO-2001A")
        assert orders() == [("SO-2001", "cancelled")]
        finding = the_case(business_key="SO-2001A").context["findings"][0]
        assert "is cancelled" in finding["text"] and finding["remedy"].endswith("instead, close it as a new deal there")


def test_an_order_that_waits_goes_on_under_its_new_number(story: Story) -> None:
    with story.on("2026-03-09"):
        sold(story, UNMAPPED)
        old = the_case(business_key="SO-2001")
        made = order("SO-2001")
    with story.on("2026-03-10"):
        number(story, "SO-2001A")
        old.refresh_from_db()
        assert (old.state, old.resolution) == ("resolved", "superseded")
        assert Case.objects.get(state="open").business_key == "SO-2001A"
        assert orders() == [("SO-2001A", "received")] and order("SO-2001A").id == made.id
    with story.on("2026-03-11"):
        catalogue.mapping(Product.objects.get(code="VAULT"), dt.date(2026, 3, 1)).save()
        steps = Step.objects.filter(stage="accept_order").order_by("seq").values_list("id", flat=True)
        assert replay.replay(list(steps), "ben") == [steps[1]], "the old one is out of work"
        story.flow.work()
        assert orders() == [("SO-2001A", "active")]
        assert Subscription.objects.count() == 1


def test_renumbered_and_lost_it_is_told_of_its_order(story: Story) -> None:
    with story.on("2026-03-09"):
        sold(story)
    with story.on("2026-03-10"):
        number(story, "SO-2001A")
        to(story, "Closed Lost")
        seen(story)
        case = Case.objects.get(state="open")
        assert (case.code, case.business_key) == ("no_longer_won", "SO-2001")
    with story.on("2026-03-11"):
        story.platforms.change("salesforce", "Opportunity", opportunity(story), Order_Number__c="SO-2001")
        to(story, "Closed Won")
        seen(story)
        assert not Case.objects.filter(state="open").exists()
        assert orders() == [("SO-2001", "active")]
