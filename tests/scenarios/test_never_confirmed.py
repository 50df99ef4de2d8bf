"""What was replayed and never came through is nowhere called confirmed, however its case ended; and what was re-dated
and given up is told in the month that books it.
"""

from __future__ import annotations

import datetime as dt

import pytest

from exceptions.models import Case, ReplayItem
from q2c.demo import flow
from q2c.demo.company import ERP
from q2c.demo.people import user
from q2c.engine import decisions, desk, run
from q2c.models import Invoice, Step
from q2c.reading import given_up
from tests.scenarios.conftest import Story, entry
from tests.scenarios.test_given_up_and_taken_back import close, lost, wanted
from tests.scenarios.test_lost_answer import training
from tests.scenarios.test_taken_back_by_billing import becomes
from tests.scenarios.test_undoing import sign
from tests.ui.people import boss, read, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
FALSE = ("Done: the journal is posted", "Confirmed, step", "Confirmed as")


def stuck(story: Story) -> str:
    with story.on("2026-03-09"):
        story.platforms.change(ERP, "accountingPeriod", "Mar 2026", closed=True)
        story.close(training("SO-3001", dt.date(2026, 3, 9)))
        (number,) = story.bill()
    return number


def is_not_said_to_be_there(story: Story) -> None:
    assert story.documents() == []
    shown = read(signed_in(boss()), f"/cases/{Case.objects.get(stage='post_journal').id}")
    assert not [words for words in FALSE if words in shown]


@pytest.mark.parametrize("ends", ["given up", "taken back"])
def test_replayed_in_vain(story: Story, ends: str) -> None:
    number = stuck(story)
    with story.on("2026-03-10"):
        desk.replay_one(user("carla"), Case.objects.get().id)
        story.flow.work()
    if ends == "given up":
        with story.on("2026-03-11"):
            close(Case.objects.get())
    else:
        becomes(story, number, "Canceled", "2026-03-11")
        assert Invoice.objects.get().state == "voided"
    with story.on("2026-03-12"):
        is_not_said_to_be_there(story)


def test_looked_for_and_not_sent(story: Story) -> None:
    wanted(story, lost(story, "drop_before"))
    with story.on("2026-03-12"):
        is_not_said_to_be_there(story)


def left_out(why: str) -> None:
    (item,) = ReplayItem.objects.all()
    assert item.outcome == "skipped" and why in item.text


def test_on_its_way_when_billing_took_it_back_it_was_left_out(story: Story) -> None:
    """The ledger is away, so nothing is sent."""
    number = stuck(story)
    with story.on("2026-03-10"):
        story.platforms.fault(ERP, "unavailable", "suiteql")
        desk.replay_one(user("carla"), Case.objects.get().id)
        run.run_stage("post_journal")
        assert Case.objects.get().state == "replaying"
    becomes(story, number, "Canceled", "2026-03-10", "09:01")
    with story.on("2026-03-12"):
        assert Invoice.objects.get().state == "voided"
        left_out("zuora took it back")
        is_not_said_to_be_there(story)


def sent_in_vain(story: Story) -> str:
    """9 March: an invoice, by its number, whose journal is sent once, and the ERP drops the line before it books it."""
    with story.on("2026-03-09"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "STAGES", {name: one for name, one in flow.STAGES.items() if name != "post_journal"})
        story.close(training("SO-3001", dt.date(2026, 3, 9)))
        (number,) = story.bill()
        story.platforms.fault(ERP, "drop_before", "create_journal", times=1)
        run.run_stage("post_journal")
    return number


def test_replayed_and_looked_for_it_was_left_out(story: Story) -> None:
    """Its answer was lost, nobody could ask the ledger for long, and billing took it back before somebody did."""
    number = sent_in_vain(story)
    story.platforms.fault(ERP, "unavailable", "suiteql")
    Step.objects.filter(stage="post_journal").update(failures={"platform_unavailable": 99})
    with story.on("2026-03-09", "10:00"):
        run.run_stage("post_journal")
    story.platforms.no_fault(ERP)
    becomes(story, number, "Canceled", "2026-03-11")
    with story.on("2026-03-12"):
        desk.replay_one(user("carla"), Case.objects.get(stage="post_journal").id)
        story.flow.work()
        left_out("holds no journal of it, and none was sent")
        is_not_said_to_be_there(story)


def test_redated_and_given_up_it_is_told_in_the_month_that_books_it(story: Story) -> None:
    number = stuck(story)
    with story.on("2026-04-02"):
        story.platforms.change(ERP, "accountingPeriod", "Apr 2026", closed=True)
        decisions.ask_to_redate(user("carla"), Case.objects.get().id, dt.date(2026, 4, 2), "March is closed")
        sign(1)
        story.flow.work()
        case = Case.objects.exclude(state="resolved").get()
        assert (case.period, Step.objects.get(stage="post_journal").period) == ("2026-04", "2026-04")
        close(case)
        assert entry(number).period.name == "2026-04"
        assert set(given_up.of_open_months(user("carla"))) == {("UK", "2026-04")}
