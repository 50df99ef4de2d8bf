"""A mirror entry that the ledger refused, and may hold all the same, is given up: no other one takes its place before
the ledger was asked. DE01's INV-1 is posted; somebody asks on 3 November that it be reversed.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from exceptions.models import Approval, Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.engine import after_all, desk, run
from q2c.models import Step
from q2c.reading import late_reversals, what_stays
from tests.engine.makers import NOW, person, run_all
from tests.stages.test_given_up import give_up
from tests.stages.test_reversals import _reverse, _work, posted

pytestmark = pytest.mark.django_db

LATER = NOW + dt.timedelta(minutes=10)


def refused(company: Any, *, keeps: bool) -> tuple[JournalEntry, Case]:
    """The posted journal, and the case of its mirror."""
    original = posted(company)
    book = company["erp-de"]
    book.refuse_all, book.keeps_what_it_refuses = "Error in script", keeps
    _reverse(original)
    return original, Case.objects.get(stage="post_journal")


def state_of(entry: JournalEntry) -> str:
    return JournalEntry.objects.get(id=entry.id).state


def test_what_the_ledger_kept_is_found_and_posted_and_no_other_one_is_made(company: Any) -> None:
    original, stuck = refused(company, keeps=True)
    mirror = JournalEntry.objects.get(reverses=original)
    assert "may hold it all the same: the reversal stays" in what_stays.will(stuck)
    give_up(stuck, "other")
    assert (state_of(mirror), state_of(original)) == ("blocked", "posted")
    _reverse(original, name="r-2")
    assert JournalEntry.objects.get(reverses=original) == mirror
    with clock.at(LATER):
        after_all.ask(person("zoe"), stuck.id, "have the ledger asked")
        desk.approve(person("yan"), [Approval.objects.get(state="requested").id], "agreed")
        run_all()
    assert (state_of(mirror), state_of(original), len(company["erp-de"].documents)) == ("posted", "reversed", 2)


def test_one_that_is_surely_not_there_makes_room_by_itself_after_the_settle_time(company: Any) -> None:
    original, stuck = refused(company, keeps=False)
    mirror = JournalEntry.objects.get(reverses=original)
    give_up(stuck, "other")
    assert not run.drain("look_again") and state_of(mirror) == "blocked"
    with clock.at(LATER):
        assert run.drain("look_again")
        assert state_of(mirror) == "superseded" and Step.objects.get(stage="look_again").state == "done"
        assert "may be reversed anew" in what_stays.has(person("zoe"), Case.objects.get(id=stuck.id))
        company["erp-de"].refuse_all = ""
        _reverse(original, name="r-2")
    assert (state_of(original), company["erp-de"].writes) == ("reversed", 2)


def test_one_that_is_found_is_a_case_until_it_is_posted_after_all(company: Any) -> None:
    original, stuck = refused(company, keeps=True)
    mirror = JournalEntry.objects.get(reverses=original)
    give_up(stuck, "other")
    with clock.at(LATER):
        run.drain("look_again")
        told = Case.objects.get(reason="journal_not_owed")
        assert "ask that it be posted after all" in told.text and state_of(mirror) == "blocked"
        after_all.ask(person("zoe"), stuck.id, "it is there")
        desk.approve(person("yan"), [Approval.objects.get(state="requested").id], "agreed")
        run_all()
        desk.replay_one(person("xia"), told.id)
        run.drain("look_again")
    told.refresh_from_db()
    assert (state_of(mirror), state_of(original), told.state) == ("posted", "reversed", "resolved")


def test_looked_for_in_vain_and_stopped_before_it_was_sent_again_it_makes_room(company: Any) -> None:
    original, stuck = refused(company, keeps=False)
    mirror = JournalEntry.objects.get(reverses=original)
    company["erp-de"].refuse_all = ""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    for seconds, left in ((5, True), (600, False)):
        with clock.at(NOW + dt.timedelta(seconds=seconds)):
            desk.replay_one(person(f"zoe{seconds}"), stuck.id)
            run_all()
            step = Step.objects.get(id=stuck.step_id)
            assert (step.reason, "left" in step.proof) == ("dimension_inactive", left), "an early look proves nothing"
    give_up(stuck, "other")
    assert state_of(mirror) == "superseded"
    company["erp-de"].inactive.clear()
    _reverse(original, name="r-2")
    assert (state_of(original), company["erp-de"].writes) == ("reversed", 2)


def test_one_that_may_be_there_keeps_its_day(company: Any) -> None:
    _, stuck = refused(company, keeps=True)
    stuck.reason = "period_closed"
    reads = get_user_model().objects.create_superuser("carla")
    late = late_reversals.of(reads, stuck)
    assert late is not None and late.may_be_there
    assert "so it keeps its day" in late.what_to_do


def test_who_asks_again_while_a_mirror_that_was_given_up_is_looked_for_is_not_answered_by_it(company: Any) -> None:
    original, stuck = refused(company, keeps=False)
    give_up(stuck, "other")
    company["erp-de"].refuse_all = ""
    _reverse(original, name="r-2")
    again = Step.objects.get(stage="reverse_journal", event__source_id="r-2")
    assert (again.state, again.document, state_of(original)) == ("failed", "", "posted")
    with clock.at(LATER):
        run.drain("look_again")
        desk.replay_one(person("zoe"), Case.objects.get(step_id=again.id).id)
        _work()
        run_all()
    assert (state_of(original), len(company["erp-de"].documents)) == ("reversed", 2)
