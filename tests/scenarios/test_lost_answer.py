"""The ERP books a journal and its answer never arrives. There is one document, whoever dies in between.

The step is unknown: it is looked up, again while the ERP has not indexed it yet, until it is found.
"""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest

from exceptions.models import Case
from q2c import clock, tasks
from q2c.demo import flow
from q2c.demo.company import ERP
from q2c.demo.customers import Account
from q2c.demo.deals import Deal, Line
from q2c.engine import run, sweep
from q2c.models import Attempt, Connection, Invoice, Step, Transition
from tests.scenarios.conftest import LEEDS, Story, entry
from tests.scenarios.workers import until, worker

pytestmark = pytest.mark.django_db(transaction=True)


def training(number: str, day: dt.date, customer: Account = LEEDS) -> Deal:
    return Deal(
        number=number, customer=customer, closed_on=day, starts_on=day, months=12, contract_entity="UK",
        currency="GBP", groups={"UK": customer}, lines=[Line(product="TRAINING", group="UK", quantity=1)],
    )  # fmt: skip


def billed_in_a_closed_month(story: Story) -> str:
    """A training that is billed in March 2026, of which the ledger takes no journal: the number of its invoice."""
    story.platforms.change(ERP, "accountingPeriod", "Mar 2026", closed=True)
    story.close(training("SO-3001", dt.date(2026, 3, 9)))
    (number,) = story.bill()
    return number


@pytest.fixture
def unposted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the story does by itself ends before the ledger."""
    stages = {name: stage for name, stage in flow.STAGES.items() if name != "post_journal"}
    monkeypatch.setattr(flow, "STAGES", stages)


def ways(step: Step) -> list[str]:
    return list(Transition.objects.filter(record_id=step.id).order_by("id").values_list("target", flat=True))


@pytest.mark.live
def test_an_answer_lost_on_its_way_is_looked_up_until_it_is_found(
    today: Story, unposted: None, tmp_path: Path, closing_connections: None
) -> None:
    story = today
    story.close(training("SO-4001", clock.today()))
    (number,) = story.bill()
    story.platforms.fault(ERP, "drop_after", "create_journal", times=1)
    # Booked, but no search finds it for longer than the first one may wait.
    story.platforms.fault(ERP, "search_lag", "create_journal", value=8, times=1)
    step = Step.objects.get(stage="post_journal")
    with worker("posting", log=tmp_path / "workers.log"):
        tasks.run_stage.apply_async(args=["post_journal"], queue="posting")
        until(lambda: Step.objects.filter(id=step.id, state="unknown").exists())
        assert (Step.objects.get(id=step.id).reason, entry(number).state) == ("outcome_unknown", "posting")
        until(lambda: settled(step))
    step = Step.objects.get(id=step.id)
    # One empty search proves nothing.
    assert step.proof["searches"][0]["found"] is None
    assert ways(step)[-5:] == ["unknown", "running", "unknown", "running", "done"]
    (document,) = story.documents()
    assert (step.document, entry(number).document_number) == (document["number"], document["number"])
    assert step.proof["found_at"]
    assert Attempt.objects.filter(step_id=step.id, method="POST", url__endswith="/journalEntry").count() == 1
    assert not Case.objects.exists()


def settled(step: Step) -> bool:
    """Whether it is done; sweeps, as the beat does."""
    sweep.sweep()
    return Step.objects.filter(id=step.id, state="done").exists()


def test_an_erp_that_commits_after_the_settle_time_still_holds_one_document(story: Story, unposted: None) -> None:
    with story.on("2026-03-09", "10:00"):
        story.close(training("SO-4002", dt.date(2026, 3, 9)))
        (number,) = story.bill()
        story.platforms.fault(ERP, "drop_after", "create_journal", times=1)
        story.platforms.fault(ERP, "search_lag", "create_journal", value=1, times=1)
        run.run_stage("post_journal")
    # The settle time of the connection is over and nothing was found: it is sent again, and the key is taken there.
    with story.flow.at(dt.datetime(2026, 3, 9, 10, 5, tzinfo=dt.UTC)):
        run.drain("post_journal")
    began = time.monotonic()
    while time.monotonic() < began + 1.2:
        time.sleep(0.05)
    for minute in range(6, 30):
        with story.flow.at(dt.datetime(2026, 3, 9, 10, minute, tzinfo=dt.UTC)):
            run.drain("post_journal")
    assert Step.objects.get(stage="post_journal").state == "done"
    assert [document["number"] for document in story.documents()] == [entry(number).document_number]


@pytest.mark.live
def test_a_worker_killed_while_the_erp_books_leaves_one_document(
    today: Story, unposted: None, tmp_path: Path, closing_connections: None
) -> None:
    story, log = today, tmp_path / "workers.log"
    story.close(training("SO-4003", clock.today()))
    (number,) = story.bill()
    story.platforms.fault(ERP, "latency", "create_journal", value=3000, times=1)
    # Whoever takes the step over searches for what is booked, and finds nothing at first.
    story.platforms.fault(ERP, "search_lag", "create_journal", value=20, times=1)
    Connection.objects.filter(name=ERP).update(time_limit_s=6, settle_s=22)
    with worker("posting", log=log, name="first", Q2C_LEASE_S="30") as first:
        tasks.run_stage.apply_async(args=["post_journal"], queue="posting")
        until(lambda: any(fault["hits"] for fault in story.platforms.control(ERP, "faults", method="GET")))
        step = Step.objects.get(stage="post_journal")
        assert (step.state, step.sent_at is not None) == ("running", True)
        first.kill()
    assert story.documents() == []
    # The dead worker's lease is over as soon as its successor is up.
    Step.objects.filter(id=step.id).update(lease_until=clock.now() + clock.seconds(4))
    with worker("posting", log=log, name="second", Q2C_LEASE_S="30"):
        until(lambda: settled(step), 150)
    step = Step.objects.get(id=step.id)
    assert ways(step)[-5:] == ["unknown", "running", "unknown", "running", "done"]
    assert step.proof["searches"][0]["found"] is None
    (document,) = story.documents()
    assert (step.document, entry(number).document_number) == (document["number"], document["number"])
    assert Invoice.objects.get().state == "posted"


@pytest.mark.parametrize("fault", ["unavailable", "too_many"])
def test_a_platform_that_says_no_is_believed_and_looked_at_all_the_same(story: Story, fault: str) -> None:
    """A 503 of something in front of it may hide a document: the second try looks before it sends."""
    with story.on("2026-03-09", "10:00"):
        story.close(training("SO-4003", dt.date(2026, 3, 9)))
        story.platforms.fault(ERP, fault, "create_journal", times=1)
        (number,) = story.bill()
    step = Step.objects.get(stage="post_journal")
    assert (step.state, entry(number).state, len(story.documents())) == ("done", "posted", 1)
    assert [search["found"] for search in step.proof["searches"]] == [None]
    sent = Attempt.objects.filter(step_id=step.id, method="POST", url__endswith="/journalEntry")
    assert sent.count() == 2
