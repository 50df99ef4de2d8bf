"""Three things stand in the way of three documents, and three teams put them right where they are wrong.

9 Mar 2026   An order sells a product that has no ERP item yet: billing ops maps it in master data.
2 Apr        A journal of March meets a closed period of the ERP: the controller opens it there.
2 Apr        Another carries a cost centre that was switched off in the ERP: finance systems switches it on there.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions import routing
from exceptions.models import Case, Offer, Policy
from exceptions.policies import BILLING, CONTROL, SYSTEMS
from q2c.demo import catalogue, people
from q2c.demo.company import ERP
from q2c.demo.deals import Deal, Line
from q2c.engine import desk, watch
from q2c.models import Invoice, Product, Step
from tests.scenarios.conftest import HARBOR_DE, LEEDS, Story, entry, order, the_case

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]


@pytest.fixture
def story(worked: Story) -> Story:
    """What is due is run by a Celery worker."""
    return worked


def deal(number: str, customer: Any, *lines: Line, closed: str = "2026-03-09") -> Deal:
    day = dt.date.fromisoformat(closed)
    return Deal(
        number=number, customer=customer, closed_on=day, starts_on=day, months=12,
        contract_entity={"US": "US", "DE": "DE", "UK": "UK"}[customer.region],
        currency={"US": "USD", "DE": "EUR", "UK": "GBP"}[customer.region], groups={customer.region: customer},
        lines=list(lines),
    )  # fmt: skip


def replayed(story: Story, user: Any, case: Case) -> None:
    """The offer for the case's blocker: dry-run, read, sent; the case ends with it."""
    offer = Offer.objects.get(state="open", blocker_type=case.blocker_type, blocker_key=case.blocker_key)
    assert offer.cases == 1
    batch = desk.take_offer(user, offer.id)
    item = batch.items.get()
    assert (batch.state, item.outcome, item.preview["passes"]) == ("dry_run", "queued", True)
    before = len(story.documents())
    desk.send(user, batch.id)
    story.flow.work()
    item.refresh_from_db()
    batch.refresh_from_db()
    assert (batch.state, item.outcome) == ("finished", "confirmed")
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "fixed_by_replay")
    if case.stage == "post_journal":
        assert len(story.documents()) == before + 1
        assert item.preview["journal"]["lines"] and item.document == case.document


def test_an_order_without_an_item_is_mapped_by_billing_ops(story: Story) -> None:
    # At Tern Systems billing ops keeps the item master; the default says finance systems.
    Policy.objects.filter(reason="item_mapping_missing").update(owner_team=BILLING)
    routing.reroute("item_mapping_missing", "pat")
    ben = people.user("ben")
    with story.on("2026-03-09"):
        story.close(deal("SO-2001", LEEDS, Line(product="VAULT", group="UK", quantity=80, frequency="monthly")))
        case = the_case(business_key="SO-2001")
        assert (case.reason, case.owner_team_id, case.stage) == ("item_mapping_missing", BILLING, "accept_order")
        assert (case.amount_minor, case.currency) == (80 * 750 * 12, "GBP")
        assert case.blocker == (ERP, "item_mapping", "VAULT", "missing")
        assert order("SO-2001").state == "received"
    with story.on("2026-03-10", "11:00"):
        catalogue.mapping(Product.objects.get(code="VAULT"), dt.date(2026, 3, 1)).save()
        replayed(story, ben, case)
        assert order("SO-2001").state in ("provisioning", "active")


def test_a_closed_period_is_opened_by_the_controller(story: Story) -> None:
    carla = people.user("carla")
    with story.on("2026-03-09"):
        story.close(deal("SO-2002", LEEDS, Line(product="TRAINING", group="UK", quantity=2)))
    with story.on("2026-04-02", "07:00"):
        story.platforms.change(ERP, "accountingPeriod", "Mar 2026", closed=True)
        (number,) = story.bill()
        case = the_case(business_key=number)
        assert (case.reason, case.owner_team_id, case.stage) == ("period_closed", CONTROL, "post_journal")
        # 2 × 1,500.00 and 20 %.
        assert (case.amount_minor, case.currency, case.entity, case.period) == (360_000, "GBP", "UK", "2026-03")
        assert story.documents() == []
        assert entry(number).state == "blocked"
    with story.on("2026-04-02", "14:00"):
        assert watch.watch_blockers()["offers"] == 0
        story.platforms.change(ERP, "accountingPeriod", "Mar 2026", closed=False)
        assert watch.watch_blockers()["offers"] == 1
        replayed(story, carla, case)
    (document,) = story.documents()
    assert (entry(number).state, entry(number).document_number) == ("posted", document["number"])
    assert document["body"]["tranDate"] == "2026-03-09"
    assert Invoice.objects.get(number=number).state == "posted"


def test_a_cost_centre_switched_off_is_switched_on_by_finance_systems(story: Story) -> None:
    mei = people.user("mei")
    with story.on("2026-04-02"):
        story.close(deal("SO-2003", HARBOR_DE, Line(product="EDGE-BOX", group="DE", quantity=10), closed="2026-04-02"))
        story.platforms.change(ERP, "department", "CC-410", isInactive=True)
        (number,) = story.bill()
        case = the_case(business_key=number)
        assert (case.reason, case.owner_team_id) == ("dimension_inactive", SYSTEMS)
        assert case.blocker == (ERP, "cost_center", "CC-410", "inactive")
        assert story.documents() == []
    with story.on("2026-04-03", "10:00"):
        story.platforms.change(ERP, "department", "CC-410", isInactive=False)
        watch.watch_blockers()
        replayed(story, mei, case)
    (document,) = story.documents()
    assert entry(number).document_number == document["number"]
    proof = Step.objects.get(stage="post_journal").proof
    # Searched before it was sent again, and read back after.
    assert proof["searches"][-1]["found"] is None
    assert proof["compared"]["lines"] == len(document["body"]["line"]["items"])
