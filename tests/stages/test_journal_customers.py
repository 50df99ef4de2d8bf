"""A journal that comes before its customer is in the ledger waits for that one, and for nobody else."""

from __future__ import annotations

import datetime as dt

import pytest

from exceptions.models import Case
from q2c import clock
from q2c.demo.company import ERP
from q2c.engine import run
from q2c.models import Breaker, Step
from tests.scenarios.conftest import Story
from tests.scenarios.test_lost_answer import training

pytestmark = pytest.mark.django_db(transaction=True)
DAY = dt.date(2026, 3, 9)


def late(story: Story) -> Step:
    """A deal is billed at once; its customer reaches the ledger an hour later."""
    story.sales.close([training("SO-1", DAY)])
    story.flow.poll("salesforce")
    run.drain("accept_order")
    Step.objects.filter(stage="sync_customer", connection=ERP).update(next_at=clock.now() + clock.seconds(3600))
    for stage in ("sync_customer", "provision_billing"):
        run.drain(stage)
    with clock.at(clock.now() + clock.seconds(5)):
        run.drain("provision_billing")
        run.drain("activate_subscription")
    story.platforms.control("zuora", "bill-run", {"until": DAY.isoformat()})
    story.flow.poll("zuora")
    run.drain("record_invoice")
    run.drain("post_journal")
    return Step.objects.filter(stage="post_journal").latest("seq")


def test_it_waits_for_its_customer(story: Story) -> None:
    with story.on("2026-03-09", "09:00"):
        step = late(story)
        assert (step.state, step.reason, step.sent_at) == ("waiting", "platform_busy", None)
        assert step.text == f"Customer A-3 is still being made in {ERP}; the journal is posted after that"
    with story.on("2026-03-09", "10:01"):
        story.flow.work()
    assert Step.objects.get(stage="post_journal").state == "done"
    assert len(story.documents()) == 1 and not Case.objects.exists()


def test_a_customer_that_the_ledger_refused_is_not_waited_for(story: Story) -> None:
    with story.on("2026-03-09", "09:00"):
        story.platforms.fault(ERP, "business_failure", "create_customer", times=1)
        story.close(training("SO-1", DAY))
        story.bill()
    failed = set(Step.objects.filter(state="failed").values_list("stage", "reason"))
    assert failed == {("sync_customer", "customer_refused"), ("post_journal", "customer_unknown")}


def test_a_second_order_of_a_customer_keeps_no_journal_of_the_first_waiting(story: Story) -> None:
    with story.on("2026-03-09", "09:00"):
        story.close(training("SO-0", DAY))
        late(story)
    assert Step.objects.filter(stage="sync_customer", connection=ERP, state="waiting").count() == 1
    assert set(Step.objects.filter(stage="post_journal").values_list("state", flat=True)) == {"done"}


def test_what_was_decided_before_anybody_was_asked_says_nothing_about_a_platform(
    story: Story,
) -> None:
    """Four silences stay four: one more and the connection counts as down."""
    with story.on("2026-03-09", "09:00"):
        Breaker.objects.create(connection=ERP, failures=4)
        assert late(story).reason == "platform_busy"
        assert Breaker.objects.get(connection=ERP).failures == 4
