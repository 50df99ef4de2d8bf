"""A period is closed while something waits for it: closed is closed for what is signed or replayed after that.

DE01 sold ORD-1 to Acme; INV-1 is dated 5 October 2026, it is 3 November.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions.models import Approval, Case
from ledger import journal, periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c.engine import desk, replay, requests, run, watch
from q2c.models import Order, Step
from q2c.reading import approvals
from q2c.stages import reverse_journal
from tests.engine.makers import OCTOBER, case, issue, order, person, run_all
from tests.past_guards import reopened
from tests.stages.test_late_documents import shut
from tests.stages.test_reversals import TODAY, _reverse, _work, controller, posted
from tests.ui.people import boss

pytestmark = pytest.mark.django_db


def month(name: str) -> FiscalPeriod:
    return FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name=name)


def asked_for(entry: JournalEntry) -> Approval:
    """Carla asks for its reversal as of today."""
    requests.reverse_journal(controller("carla"), entry, TODAY, "billed twice", "00000000-0000-7000-8000-000000000001")
    run.drain("reverse_journal")
    return Approval.objects.get(state="requested")


def test_a_reversal_whose_month_was_closed_meanwhile_is_not_signed(company: Any) -> None:
    original = posted(company)
    asked, cleo = asked_for(original), controller("cleo")
    shut("2026-11")
    decision = desk.approve(cleo, [asked.id], "seen")
    assert decision.done == []
    assert "Period 2026-11 of DE01 (receivables) is closed: nothing is signed" in decision.left[asked.id]
    asked.refresh_from_db(fields=["decided_by"])
    assert Approval.objects.get().state == "requested" and asked.decided_by is None
    stuck = Case.objects.get()
    assert (stuck.state, stuck.reason) == ("awaiting_approval", "reversal_approval_required")
    assert Step.objects.get(stage="reverse_journal").replays == 0 and JournalEntry.objects.count() == 1
    # Opened again it is signed as it was asked.
    reopened(month("2026-11"), by="cfo", why="one more")
    desk.approve(cleo, [asked.id], "seen")
    _work()
    assert JournalEntry.objects.get(id=original.id).state == "reversed"


def test_a_softly_closed_month_still_takes_what_is_signed(company: Any) -> None:
    original = posted(company)
    asked = asked_for(original)
    periods.soft_close(month("2026-11"), by="carla", why="nearly done")
    decision = desk.approve(controller("cleo"), [asked.id])
    assert decision.in_the_way == {}
    _work()
    assert JournalEntry.objects.get(id=original.id).state == "reversed"


@pytest.mark.parametrize("is_active", [False, True], ids=["inactive", "active again"])
def test_what_is_said_of_a_reversal_that_the_ledger_would_refuse_comes_true(company: Any, is_active: bool) -> None:
    original = posted(company)
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-2", Order.objects.get())
    run_all()
    if is_active:
        company["erp-de"].inactive.clear()
        watch.watch_blockers()
    asked, cleo = asked_for(original), controller("cleo")
    (shown,) = approvals.requests(boss(), [asked])
    assert bool(shown.ledger_refuses) is not is_active
    assert is_active or "cost centre CC-410 in erp-de is inactive" in shown.ledger_refuses
    desk.approve(cleo, [asked.id], "seen")
    _work()
    mirror = JournalEntry.objects.get(reverses=original)
    assert mirror.state == ("posted" if is_active else "blocked")


def test_what_keeps_many_from_being_reversed_is_asked_at_once(company: Any, django_assert_max_num_queries: Any) -> None:
    of = order()
    for number in ("INV-1", "INV-2", "INV-3"):
        issue(number, of)
    run_all()
    entries = list(JournalEntry.objects.order_by("id"))
    _reverse(entries[2])
    shut("2026-11")
    asked = [(entries[0], OCTOBER), (entries[1], TODAY), (entries[2], OCTOBER), (entries[0], OCTOBER.replace(day=1))]
    with django_assert_max_num_queries(12):
        told = journal.reversible([(one.id, day) for one, day in asked])
    assert [[finding.reason for finding in findings] for findings in told] == [
        [], ["period_closed"], ["reversal_refused"], ["reversal_refused"],
    ]  # fmt: skip
    assert [len(texts) for texts in reverse_journal.in_the_way(asked)] == [0, 1, 1, 1]
    assert journal.reversible([]) == []


def test_an_invoice_is_signed_and_says_that_its_month_is_closed(company: Any) -> None:
    """Whoever signs it answers another question: the period is for those who reopen or re-date."""
    of = order()
    issue("INV-1", of, on=dt.date(2026, 12, 10))
    run_all()
    asked = Approval.objects.get(action="invoice_approval_required")
    shut("2026-12")
    decision = desk.approve(person("bea"), [asked.id])
    assert decision.done == [asked.id]
    assert decision.in_the_way == {asked.id: ["Period 2026-12 of DE01 (receivables) is closed"]}
    run_all()
    assert case("INV-1").reason == "period_closed"


def test_what_is_signed_and_free_says_nothing(company: Any) -> None:
    issue("INV-1", order(), on=dt.date(2026, 12, 10))
    run_all()
    asked = Approval.objects.get(action="invoice_approval_required")
    assert desk.approve(person("bea"), [asked.id]).in_the_way == {}
    run_all()
    assert JournalEntry.objects.get().state == "posted"


def blocked(company: Any, mirror: bool) -> tuple[Case, JournalEntry]:
    """A journal of October, or its mirror entry of November, which the ledger refused."""
    original = posted(company) if mirror else None
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    if original is not None:
        _reverse(original)
    else:
        issue("INV-1", order())
        run_all()
    company["erp-de"].inactive.clear()
    return Case.objects.get(stage="post_journal"), JournalEntry.objects.get(state="blocked")


@pytest.mark.parametrize("mirror", [False, True], ids=["a journal", "a mirror entry"])
def test_a_blocked_journal_that_has_its_number_finds_its_month_closed(company: Any, mirror: bool) -> None:
    stuck, entry = blocked(company, mirror)
    name = "2026-11" if mirror else "2026-10"
    writes = company["erp-de"].writes
    shut(name)
    (seen,) = replay.dry_run([stuck.step_id], ask=True)
    assert [finding["reason"] for finding in seen.findings] == ["period_closed"]
    replay.replay([stuck.step_id], "ann")
    run_all()
    stuck = Case.objects.get(id=stuck.id)
    assert (stuck.reason, stuck.blocker_key) == ("period_closed", f"DE01:receivables:{name}")
    assert company["erp-de"].writes == writes and JournalEntry.objects.get(id=entry.id).state == "blocked"
    reopened(month(name), by="cfo", why="one more")
    replay.replay([stuck.step_id], "ann")
    run_all()
    assert (JournalEntry.objects.get(id=entry.id).state, company["erp-de"].writes) == ("posted", writes + 1)


def test_a_blocked_mirror_goes_on_in_a_month_that_is_softly_closed(company: Any) -> None:
    stuck, entry = blocked(company, True)
    periods.soft_close(month("2026-11"), by="carla", why="nearly done")
    replay.replay([stuck.step_id], "ann")
    run_all()
    assert JournalEntry.objects.get(id=entry.id).state == "posted"


def test_what_is_under_way_as_the_month_closes_is_still_posted(company: Any) -> None:
    issue("INV-1", order())
    run.drain("record_invoice")
    assert JournalEntry.objects.get().state == "ready"
    shut("2026-10")
    run_all()
    assert JournalEntry.objects.get().state == "posted"


def test_a_journal_whose_worker_was_lost_before_it_was_looked_at_finds_it_closed_too(company: Any) -> None:
    issue("INV-1", order())
    run.drain("record_invoice")
    step = Step.objects.get(stage="post_journal")
    Step.objects.filter(id=step.id).update(replays=1)
    shut("2026-10")
    run_all()
    assert (JournalEntry.objects.get().state, case("INV-1").reason) == ("ready", "period_closed")
