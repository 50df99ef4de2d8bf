"""A journal that two people gave up is posted after all: one asks, another agrees, and its step goes on as replayed.

DE01 sold ORD-1 to Acme in October 2026; it is 3 November, and INV-1 meets a cost centre that is switched off.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from exceptions import approvals
from exceptions.errors import NotPossible, Refused
from exceptions.models import Approval, Case, Problem
from ledger.models import JournalEntry
from q2c import clock, states
from q2c.engine import after_all, desk, replay
from q2c.models import Invoice, Step
from tests.engine.makers import NOW, case, issue, order, person, run_all
from tests.stages.test_given_up import give_up
from tests.stages.test_invoices_and_journals import _remap, lost_for_good
from tests.stages.test_late_documents import shut
from tests.stages.test_reversals import _reverse, posted

pytestmark = pytest.mark.django_db


@pytest.fixture
def closed(company: Any) -> Case:
    """Its cost centre is back since."""
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    give_up(case("INV-1"), "other")
    company["erp-de"].inactive.clear()
    return case("INV-1")


def wanted(closed: Case, name: str = "zoe") -> Approval:
    after_all.ask(person(name), closed.id, "it is owed")
    return Approval.objects.get(state="requested")


def test_one_asks_another_agrees_and_it_is_posted_once(company: Any, closed: Case) -> None:
    assert after_all.why_not(closed) == ""
    asked = wanted(closed)
    assert (asked.action, asked.reason, asked.amount_minor) == (
        "post_after_all", "zoe asks to post it after all: it is owed", 119_000,
    )  # fmt: skip
    # Nothing happens on one person's word.
    run_all()
    assert (case("INV-1").state, company["erp-de"].writes) == ("closed_without_fix", 0)
    with pytest.raises(Refused, match="own request"):
        desk.approve(asked.requested_by, [asked.id])
    assert desk.approve(person("bo"), [asked.id], "so it is").done == [asked.id]
    again = case("INV-1")
    assert (again.state, again.resolved_at, again.root_cause) == ("replaying", None, "")
    assert Problem.objects.get(id=again.problem_id).state == "open" and again.due_at > clock.now()
    run_all()
    again, step = case("INV-1"), Step.objects.get(stage="post_journal")
    assert (again.state, again.resolution, again.document) == ("resolved", "fixed_by_replay", "JE-1")
    assert (step.state, step.replays, company["erp-de"].writes) == ("done", 1, 1)
    assert (Invoice.objects.get().state, JournalEntry.objects.get().state) == ("posted", "posted")
    assert after_all.why_not(again) == "No invoice was given up with this case"


def test_refused_or_taken_back_it_stays_given_up_and_may_be_asked_for_again(company: Any, closed: Case) -> None:
    asked = wanted(closed)
    with pytest.raises(NotPossible, match="is asked for already"):
        after_all.ask(person("yan"), closed.id, "me too")
    desk.refuse(person("bo"), [asked.id], "it was booked by hand")
    assert case("INV-1").state == "closed_without_fix"
    asked = wanted(closed, "yan2")
    desk.withdraw(asked.requested_by, [asked.id])
    assert after_all.why_not(case("INV-1")) == ""
    run_all()
    step = Step.objects.get(stage="post_journal")
    assert (step.state, step.replays, company["erp-de"].writes) == ("abandoned", 0, 0)
    assert not Case.objects.exclude(state="closed_without_fix").exists()


def test_asked_twice_by_one_press_is_asked_once(closed: Case) -> None:
    zoe = person("zoe")
    for _ in range(2):
        after_all.ask(zoe, closed.id, "it is owed", "00000000-0000-7000-8000-000000000001")
    assert Approval.objects.filter(action="post_after_all").count() == 1
    assert closed.events.filter(kind="approval_requested", data__action="post_after_all").count() == 1


def test_what_the_ledger_took_in_silence_is_found_and_makes_no_second_document(company: Any) -> None:
    """Sent, its answer lost, given up; the mapping is another one by now: it is looked up as it was sent."""
    lost_for_good(company)
    give_up(case("INV-1"), "duplicate")
    company["erp-de"].down = company["erp-de"].lose_answers = False
    _remap("CC-420")
    with clock.at(NOW + dt.timedelta(minutes=10)):
        desk.approve(person("bo"), [wanted(case("INV-1")).id])
        run_all()
    assert (JournalEntry.objects.get().state, company["erp-de"].writes) == ("posted", 1)
    assert len(company["erp-de"].documents) == 1 and case("INV-1").document == "JE-1"


def test_a_mirror_that_may_be_in_the_ledger_has_its_way_back_too(company: Any) -> None:
    original = posted(company)
    company["erp-de"].lose_answers = True
    _reverse(original)
    company["erp-de"].down = True
    Step.objects.filter(stage="post_journal").exclude(state="done").update(failures={"platform_unavailable": 99})
    with clock.at(NOW + dt.timedelta(minutes=2)):
        run_all()
    stuck = Case.objects.get(stage="post_journal", resolved_at=None)
    give_up(stuck, "other")
    company["erp-de"].down = company["erp-de"].lose_answers = False
    with clock.at(NOW + dt.timedelta(minutes=10)):
        desk.approve(person("bo"), [wanted(stuck).id])
        run_all()
    assert JournalEntry.objects.get(id=original.id).state == "reversed" and company["erp-de"].writes == 2


def test_a_month_that_closed_meanwhile_is_told_and_the_case_is_open_again(company: Any, closed: Case) -> None:
    shut()
    asked = wanted(closed)
    decision = desk.approve(person("bo"), [asked.id])
    assert decision.in_the_way == {asked.id: ["Period 2026-10 of DE01 (receivables) is closed"]}
    run_all()
    stuck = case("INV-1")
    assert (stuck.state, stuck.reason, company["erp-de"].writes) == ("open", "period_closed", 0)
    # Given up once more, what was agreed before is spent.
    give_up(stuck, "other", by=("dan", "eve"))
    with pytest.raises(DatabaseError, match="was given up"), transaction.atomic():
        replay.take_up([stuck.step_id])


def test_the_database_takes_up_nothing_that_one_person_wants(closed: Case) -> None:
    asked = wanted(closed)
    for take_up in (
        lambda: replay.take_up([closed.step_id]),
        lambda: Step.objects.filter(id=closed.step_id).update(state="failed"),
    ):
        with pytest.raises(DatabaseError, match="a second person who approves takes it up"), transaction.atomic():
            take_up()
    # Nor by another decision about the same case.
    states.move(Approval, "withdraw", [asked.id])
    approvals.ask([closed], "redate", "late", asked.requested_by_id, clock.now())
    other = Approval.objects.get(action="redate")
    decided = {"decided_by_id": person("bo").pk, "decided_at": clock.now(), "decision": "yes"}
    states.move(Approval, "approve", [other.id], **decided)
    with pytest.raises(DatabaseError, match="was given up"), transaction.atomic():
        replay.take_up([closed.step_id])


def test_what_was_voided_with_its_journal_comes_as_an_invoice(company: Any) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    give_up(case("INV-1"), "duplicate")
    closed = case("INV-1")
    assert after_all.unposted(closed) is None and after_all.why_not(closed) == ""
    after_all.ask(person("zoe"), closed.id, "it is owed")
    assert not Approval.objects.filter(action="post_after_all").exists()
    run_all()
    assert Approval.objects.get(state="requested").action == "invoice_given_up"
