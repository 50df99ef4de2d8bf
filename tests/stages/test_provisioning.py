"""From acceptance to an active subscription, and back: stories of Tern Systems on the sandboxes.

Harbor Holdings in San Francisco has a daughter in Hamburg, who pays for herself.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from time import sleep
from typing import Any

import pytest

from exceptions.models import Case
from ledger import fx
from q2c import clock
from q2c.demo import catalogue
from q2c.demo.company import ERP
from q2c.demo.connections import billing_product
from q2c.demo.customers import Account
from q2c.demo.deals import Deal, Line
from q2c.engine import replay, run
from q2c.models import Attempt, Connection, CrossReference, Event, Order, Product, Step, Subscription
from tests.scenarios.conftest import HARBOR, HARBOR_DE, LEEDS, Story, order
from tests.stages.conftest import emitted, tell

# Jobs of the sandbox take the machine's seconds, whatever day it is in the story.
JOB_S = 1.5
pytestmark = pytest.mark.django_db(transaction=True)


def deal(number: str, groups: dict[str, Account], *lines: Line, starts: str = "2026-03-01", **more: Any) -> Deal:
    terms: dict[str, Any] = {"customer": HARBOR, "months": 12, "contract_entity": "US", "currency": "USD"}
    return Deal(
        number=number, closed_on=dt.date(2026, 2, 2), starts_on=dt.date.fromisoformat(starts),
        groups=groups, lines=list(lines), **terms | more,
    )  # fmt: skip


def seats(group: str, **more: Any) -> Line:
    return Line(product="PLATFORM", group=group, quantity=10, frequency="monthly", **more)


def accepted(story: Story, *deals: Deal) -> None:
    """Closed and accepted; nothing further has begun."""
    story.sales.close(deals)
    story.flow.poll("salesforce")
    run.drain("accept_order")


def states(stage: str) -> Counter[str]:
    return Counter(Step.objects.filter(stage=stage).values_list("state", flat=True))


def accounts(story: Story) -> list[str]:
    return [row["number"] for row in story.platforms.records("zuora", "account")]


def test_what_billing_has_no_place_for_is_told_before_it_is_accepted(story: Story) -> None:
    """Volume tiers with an allowance: nobody in billing hears of it, and nothing is provisioned."""
    usage = Line(product="API-CALLS", group="US", frequency="monthly", included=1000)
    sold = deal("SO-1", {"US": HARBOR}, seats("US"), usage)
    terms = json.loads(sold.line(2)["Usage_Terms__c"]) | {"model": "volume"}
    sold.slips = {2: {"Usage_Terms__c": json.dumps(terms)}}
    with story.on("2026-02-02"):
        before = Attempt.objects.filter(connection="zuora").count()
        accepted(story, sold)
    case = Case.objects.get()
    assert (case.reason, case.field, order("SO-1").state) == ("billing_inexpressible", "/lines/1/usage", "received")
    assert case.text == "Billing cannot bill it so: line 2: volume tiers with an included quantity"
    assert Attempt.objects.filter(connection="zuora").count() == before
    assert not Step.objects.filter(stage="sync_customer").exists()


# sync_customer --------------------------------------------------------------------------------------------------------


def test_two_orders_at_once_make_each_customer_once_parent_before_child(story: Story) -> None:
    with story.on("2026-02-02"):
        groups = {"DE": HARBOR_DE}
        accepted(story, deal("SO-1", groups, seats("DE")), deal("SO-2", groups, seats("DE")))
        waves = []
        while ran := run.run_stage("sync_customer"):
            waves.append(ran)
        # Of one hierarchy in one platform only one step runs at a time: mother, daughter, and again for the second order.
        assert waves == [2, 2, 2, 2]
    assert states("sync_customer") == {"done": 8}
    made = Attempt.objects.filter(connection="zuora", method="POST", url__endswith="/v1/accounts").order_by("id")
    assert [row.request_body.count("A-1-EUR") > 0 for row in made] == [True, False]
    assert sorted(accounts(story)) == ["A-1-EUR", "A-2-EUR"]
    assert {row["external_id"] for row in story.platforms.records(ERP, "customer")} == {"A-1", "A-2"}
    there = CrossReference.objects.filter(kind="customer").values_list("connection", flat=True)
    assert Counter(there) == {"zuora": 2, "netsuite": 2, "salesforce": 2}
    assert emitted("sync_customer") == ["CustomerSynced"] * 8


def test_a_mother_that_billing_refuses_holds_her_daughter_until_it_is_mended(story: Story) -> None:
    with story.on("2026-02-02"):
        story.platforms.fault("zuora", "business_failure", "create_account", times=1)
        story.close(deal("SO-1", {"DE": HARBOR_DE}, seats("DE")))
        case = Case.objects.get()
        assert (case.reason, case.stage) == ("customer_refused", "sync_customer")
        assert accounts(story) == [] and order("SO-1").state == "accepted"
        replay.replay([case.step_id], "ann")
        story.flow.work()
        assert sorted(accounts(story)) == ["A-1-EUR", "A-2-EUR"]
        assert order("SO-1").state == "provisioning"


def test_a_key_that_ends_like_a_currency_is_a_customer_all_the_same(story: Story) -> None:
    """Billing's accounts end in their currency; the ledger's customers do not."""
    odd = Account(key="A-EUR", name="Euro Trading", region="DE", country="DE", address=("1 Weg", "Köln", "", "50667"))
    with story.on("2026-02-02"):
        story.platforms.seed("salesforce", {"accounts": [odd.seed()]})
        sold = deal("SO-1", {"DE": odd}, seats("DE"))
        sold.customer = odd
        story.close(sold)
        assert accounts(story) == ["A-EUR-EUR"]
        assert [row["external_id"] for row in story.platforms.records(ERP, "customer")] == ["A-EUR"]
        assert not Case.objects.exists()


def test_without_a_billing_platform_a_person_hears_of_it(story: Story) -> None:
    with story.on("2026-02-02"):
        Connection.objects.filter(name="zuora").update(active=False)
        story.close(deal("SO-1", {"US": HARBOR}, seats("US")))
        case = Case.objects.get()
        assert (case.reason, case.text) == ("platform_unavailable", "No billing connection is active")
        Connection.objects.filter(name="zuora").update(active=True)
        replay.replay([case.step_id], "ann")
        story.flow.work()
        assert order("SO-1").state == "provisioning"


# provision_billing ----------------------------------------------------------------------------------------------------


def test_billing_takes_its_time_and_is_asked_until_it_is_done(story: Story) -> None:
    story.platforms.seed("zuora", {"job_s": str(JOB_S)})
    with story.on("2026-02-02", "09:00"):
        accepted(story, deal("SO-1", {"US": HARBOR}, seats("US")))
        run.drain("sync_customer")
        run.run_stage("provision_billing")
        step = Step.objects.get(stage="provision_billing")
        assert step.state == "accepted" and step.handle
        assert not Subscription.objects.exists()
    with story.on("2026-02-02", "09:00"):
        run.drain("provision_billing")
        assert Step.objects.get(stage="provision_billing").state == "accepted"
    sleep(JOB_S)
    with story.on("2026-02-02", "09:02"):
        story.flow.work()
    assert Step.objects.get(stage="provision_billing").state == "done"
    sold = Subscription.objects.get()
    assert (sold.number, sold.state, sold.entity, sold.currency, sold.account) == (
        "S-SO-1-US", "provisioned", "US", "USD", "A-1-USD",
    )  # fmt: skip
    assert order("SO-1").state == "provisioning"
    assert emitted("provision_billing") == ["SubscriptionProvisioned"]


def test_a_product_that_billing_does_not_sell_stops_its_own_group_only(story: Story) -> None:
    """Each invoice group is a subscription of its own: its own entity, account and currency."""
    with story.on("2026-02-02"):
        groups = {"US": HARBOR, "DE": HARBOR_DE}
        second = Line(product="EDGE-BOX-2", group="DE", quantity=2)
        product = Product.objects.get(code="EDGE-BOX-2")
        catalogue.mapping(product, dt.date(2025, 1, 1)).save()
        story.close(deal("SO-1", groups, seats("US"), seats("DE"), second))
        assert Case.objects.get().reason == "subscription_refused"
        assert list(Subscription.objects.values_list("group", "entity", "currency")) == [("US", "US", "USD")]
        good = catalogue.BY_CODE["EDGE-BOX-2"]
        story.platforms.seed("zuora", {"products": [billing_product(good)]})
        replay.replay([Case.objects.get().step_id], "ann")
        story.flow.work()
        assert set(Subscription.objects.values_list("group", "entity", "currency", "account")) == {
            ("US", "US", "USD", "A-1-USD"), ("DE", "DE", "EUR", "A-2-EUR"),
        }  # fmt: skip


# activate_subscription ------------------------------------------------------------------------------------------------


def test_phases_begin_in_order_each_at_midnight_of_its_entity(story: Story) -> None:
    """1 March begins in Hamburg at 23:00 UTC of 28 February, in New York at 05:00 UTC."""
    with story.on("2026-02-02"):
        grows = {"US": seats("US", phases=((6, 10), (6, 20))), "DE": seats("DE")}
        story.close(deal("SO-1", {"US": HARBOR, "DE": HARBOR_DE}, grows["US"], grows["DE"]))
        assert states("activate_subscription") == {"waiting": 3}
    due = {
        (step.entity, step.part): step.next_at
        for step in Step.objects.filter(stage="activate_subscription")
    }  # fmt: skip
    assert due == {
        ("DE", "phase-1"): dt.datetime(2026, 2, 28, 23, tzinfo=dt.UTC),
        ("US", "phase-1"): dt.datetime(2026, 3, 1, 5, tzinfo=dt.UTC),
        # Summer time by then.
        ("US", "phase-2"): dt.datetime(2026, 9, 1, 4, tzinfo=dt.UTC),
    }
    active = dict.fromkeys(("US", "DE"), "provisioned")
    for day, time, began, whole in (
        ("2026-02-28", "22:40", [], "provisioning"),
        ("2026-02-28", "23:01", ["DE"], "provisioning"),
        ("2026-03-01", "04:40", ["DE"], "provisioning"),
        ("2026-03-01", "05:01", ["DE", "US"], "active"),
    ):
        with story.on(day, time):
            story.flow.work()
        for group in began:
            active[group] = "active"
        assert dict(Subscription.objects.values_list("group", "state")) == active, (day, time)
        assert order("SO-1").state == whole
    with story.on("2026-09-01", "04:01"):
        story.flow.work()
    assert states("activate_subscription") == {"done": 3}
    assert emitted("activate_subscription") == ["SubscriptionActivated"] * 3


def test_a_phase_that_fails_holds_the_next_one(story: Story) -> None:
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR}, seats("US", phases=((6, 10), (6, 20)))))
    story.platforms.fault("zuora", "business_failure", "activate", times=1)
    with story.on("2026-03-01", "05:01"):
        story.flow.work()
        case = Case.objects.get()
        assert (case.stage, case.part) == ("activate_subscription", "phase-1")
    with story.on("2026-09-02"):
        story.flow.work()
        assert states("activate_subscription") == {"failed": 1, "waiting": 1}
        replay.replay([case.step_id], "ann")
        story.flow.work()
    assert states("activate_subscription") == {"done": 2}
    done = Step.objects.filter(stage="activate_subscription").order_by("finished_at").values_list("part", flat=True)
    assert list(done) == ["phase-1", "phase-2"]


def test_an_order_is_active_only_once_every_group_is(story: Story) -> None:
    """The daughter's group is refused by billing; the mother's begins."""
    with story.on("2026-02-02"):
        story.platforms.fault("zuora", "business_failure", "create_order_async", times=1)
        story.close(deal("SO-1", {"US": HARBOR, "DE": HARBOR_DE}, seats("US"), seats("DE")))
        assert Subscription.objects.count() == 1
    with story.on("2026-03-01", "12:00"):
        story.flow.work()
        assert Subscription.objects.get().state == "active"
        assert order("SO-1").state == "provisioning"
        replay.replay([Case.objects.get().step_id], "ann")
        story.flow.work()
        assert order("SO-1").state == "active"


# cancel_order ---------------------------------------------------------------------------------------------------------


def cancel(story: Story, number: str = "SO-1", on: str = "2026-04-01") -> None:
    data = {"order_number": number, "effective_on": on, "reason": "withdrawn"}
    tell("OrderCancelRequested", f"c-{number}-{on}-{clock.now()}", "back-office", data)
    story.flow.work()


def test_an_order_is_cancelled_while_billing_is_still_making_it(story: Story) -> None:
    """What comes to be there in the end is cancelled there, too: nothing bills for ever unseen."""
    story.platforms.seed("zuora", {"job_s": str(JOB_S)})
    with story.on("2026-02-02", "09:00"):
        accepted(story, deal("SO-1", {"US": HARBOR}, seats("US")))
        run.drain("sync_customer")
        run.run_stage("provision_billing")
        data = {"order_number": "SO-1", "effective_on": "2026-03-01", "reason": "withdrawn"}
        tell("OrderCancelRequested", "c-1", "back-office", data)
        run.run_stage("cancel_order")
        waiting = Step.objects.get(stage="cancel_order")
        assert (waiting.state, waiting.sent_at) == ("waiting", None)
        assert "in the middle of provision_billing" in waiting.text
    sleep(JOB_S)
    with story.on("2026-02-02", "09:05"):
        story.flow.work()
    assert Subscription.objects.get().state == order("SO-1").state == "cancelled"
    assert billing_orders(story) == ["O-SO-1-US", "X-SO-1-US"]
    assert emitted("cancel_order") == ["OrderCancelled"]
    assert states("activate_subscription") == {"abandoned": 1}


def test_an_order_cancelled_for_a_later_day_goes_on_until_then(story: Story) -> None:
    """Asked on 1 April for 9 October: the phase of September begins and is billed, that of December never begins."""
    with story.on("2026-02-02"):
        phases = ((6, 10), (3, 20), (3, 30))
        story.close(deal("SO-1", {"US": HARBOR}, seats("US", phases=phases)))
    with story.on("2026-03-01", "12:00"):
        story.flow.work()
    with story.on("2026-04-01"):
        cancel(story, on="2026-10-09")
        step = Step.objects.get(stage="cancel_order")
        # Midnight in New York, where the contract's entity is.
        assert (step.state, step.next_at) == ("waiting", dt.datetime(2026, 10, 9, 4, tzinfo=dt.UTC))
        assert (order("SO-1").state, Subscription.objects.get().state) == ("active", "active")
        assert billing_orders(story) == ["O-SO-1-US"]
    with story.on("2026-09-02"):
        story.flow.work()
        assert states("activate_subscription") == {"done": 2, "waiting": 1}
    with story.on("2026-10-09", "02:00"):
        story.flow.work()
        assert order("SO-1").state == "active"
    with story.on("2026-10-09", "04:01"):
        story.flow.work()
        assert (order("SO-1").state, Subscription.objects.get().state) == ("cancelled", "cancelled")
        assert billing_orders(story) == ["O-SO-1-US", "X-SO-1-US"]
    with story.on("2026-12-02"):
        story.flow.work()
    assert states("activate_subscription") == {"done": 2, "abandoned": 1}


def test_a_nearer_day_is_not_held_back_by_a_later_one(story: Story) -> None:
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR}, seats("US")))
    with story.on("2026-03-05"):
        story.flow.work()
        cancel(story, on="2026-10-01")
        cancel(story, on="2026-03-05")
        assert order("SO-1").state == "cancelled"
    with story.on("2026-10-02"):
        story.flow.work()
    assert states("cancel_order") == {"abandoned": 1, "done": 1}
    assert not Case.objects.exists()


def billing_orders(story: Story) -> list[str]:
    """O makes a subscription, X cancels it."""
    return sorted(row["number"] for row in story.platforms.records("zuora", "order"))


def test_every_subscription_is_cancelled_before_the_order_is_and_a_replay_goes_on_where_it_stopped(
    story: Story,
) -> None:
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR, "DE": HARBOR_DE}, seats("US"), seats("DE")))
    with story.on("2026-03-05"):
        story.flow.work()
        # The first goes through, the second is refused.
        story.platforms.fault("zuora", "business_failure", "create_order", times=1)
        cancel(story, on="2026-03-05")
        assert order("SO-1").state == "active"
        case = Case.objects.get()
        assert case.stage == "cancel_order"
        replay.replay([case.step_id], "ann")
        story.flow.work()
    assert order("SO-1").state == "cancelled"
    assert set(Subscription.objects.values_list("state", flat=True)) == {"cancelled"}
    assert billing_orders(story) == ["O-SO-1-DE", "O-SO-1-US", "X-SO-1-DE", "X-SO-1-US"]
    assert Event.objects.filter(type="OrderCancelled").count() == 1


def test_a_group_that_billing_refused_is_given_up_with_its_case(story: Story) -> None:
    with story.on("2026-02-02"):
        story.platforms.fault("zuora", "business_failure", "create_order_async", times=1)
        story.close(deal("SO-1", {"US": HARBOR}, seats("US")))
        assert Case.objects.get().state == "open"
        cancel(story, on="2026-03-01")
    assert order("SO-1").state == "cancelled"
    case = Case.objects.get()
    assert (case.state, case.resolution) == ("resolved", "superseded")
    assert states("provision_billing") == {"abandoned": 1}


# The record as a whole ------------------------------------------------------------------------------------------------


def test_an_order_of_three_entities_is_worth_its_groups_at_the_rates_of_its_day(story: Story) -> None:
    """Invoiced per region by its own entity, to its own payer, in its own currency; the contract is the parent's."""
    with story.on("2026-02-02"):
        sold = deal("SO-1", {"US": HARBOR, "DE": HARBOR_DE}, seats("US"), seats("DE"))
        accepted(story, sold)
    made = order("SO-1")
    groups = {group.key: group for group in made.groups.all()}
    # 10 × 48.00 × 12 and 10 × 44.00 × 12.
    assert (groups["US"].entity, groups["US"].currency, groups["US"].total_minor) == ("US", "USD", 576_000)
    assert (groups["DE"].entity, groups["DE"].currency, groups["DE"].total_minor) == ("DE", "EUR", 528_000)
    assert (groups["US"].bill_to, groups["DE"].bill_to, made.contract_entity) == ("A-1", "A-2", "US")
    rate = fx.rate("EUR", "USD", dt.date(2026, 2, 2))
    assert (made.currency, made.total_minor) == ("USD", 576_000 + round(528_000 * rate))
    assert Order.objects.count() == 1 and LEEDS.key not in {made.payer_key}
