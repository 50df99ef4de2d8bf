"""A step fails: its case opens, strikes again, is reopened, or moves to another cause."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from exceptions import approvals, cases, casework, problems, tallies
from exceptions.models import Approval, Case, CaseEvent, Policy, Problem
from q2c import clock, keys, states
from tests.exceptions.conftest import NOW, again, failure, fresh, kinds, moves, opened

pytestmark = pytest.mark.django_db


def test_a_journal_meets_a_closed_period() -> None:
    case = opened()
    assert case.state == "open"
    assert case.shown == f"C-{case.number}"
    assert case.owner_team_id == "controllers"
    assert (case.severity, case.attempts) == ("urgent", 1)
    assert case.blocker == ("erp-de", "period", "2026-10", "closed")
    assert (case.amount_minor, case.currency, case.entity, case.period) == (482_100, "EUR", "DE", "2026-10")
    assert case.due_at == NOW + dt.timedelta(hours=4)
    assert case.problem.title == "Period closed: 2026-10 in erp-de"
    assert kinds(case) == ["opened"]
    assert moves(case.id) == [("", "open")]


def test_cases_with_one_root_cause_are_one_problem_with_its_money() -> None:
    opened()
    opened(amount_minor=100, currency="USD", entity="US")
    opened(step_id=keys.new_id(), blocker=("erp-de", "period", "2026-09", "closed"))
    assert Problem.objects.count() == 2
    problem = Problem.objects.get(blocker_key="2026-10")
    totals = problems.totals([problem.id])[problem.id]
    assert totals.cases == 2
    assert totals.amounts == {"EUR": 482_100, "USD": 100}
    assert totals.entities == {"DE", "US"}
    assert totals.periods == {("DE", "2026-10"), ("US", "2026-10")}
    assert (totals.first_at, totals.last_at, totals.oldest_due_at) == (NOW, NOW, NOW + dt.timedelta(hours=4))


def test_without_a_blocker_reason_connection_and_code_make_the_problem() -> None:
    same = {"reason": "request_refused", "blocker": None}
    one, two = opened(**same, code="E1"), opened(**same, code="E1")
    other, elsewhere = opened(**same, code="E2"), opened(**same, code="E1", connection="erp-us")
    assert one.problem_id == two.problem_id
    assert len({one.problem_id, other.problem_id, elsewhere.problem_id}) == 3
    assert one.problem.title == "Request refused: erp-de (E1)"


def test_without_a_text_the_policy_speaks() -> None:
    case = opened(text="")
    assert case.text == "INV-1 belongs to 2026-10, which is closed in DE."


def test_the_replay_fails_for_the_same_cause_and_keeps_its_clock() -> None:
    case = opened()
    cases.replaying([case.step_id], "ann")
    with clock.at(NOW + dt.timedelta(hours=1)):
        case = again(case)
    assert (case.state, case.attempts) == ("open", 2)
    assert case.due_at == NOW + dt.timedelta(hours=4)
    assert case.last_failed_at == NOW + dt.timedelta(hours=1)
    assert kinds(case) == ["opened", "replay_requested", "failed_again"]
    assert moves(case.id) == [("", "open"), ("open", "replaying"), ("replaying", "open")]


def test_another_cause_moves_it_to_the_other_problem_and_owner(person: Any) -> None:
    case = opened()
    casework.claim(person("ann"), [case.id])
    cases.replaying([case.step_id], "ann")
    first = case.problem_id
    with clock.at(NOW + dt.timedelta(hours=1)):
        case = again(
            case, reason="dimension_inactive", blocker=("erp-de", "cost_center", "CC-410", "inactive"), text=""
        )
    assert case.state == "open"
    assert case.problem_id != first
    assert (case.owner_team_id, case.assignee_id) == ("finance-systems", None)
    assert case.due_at == dt.datetime(2026, 11, 4, 9, tzinfo=dt.UTC)
    assert kinds(case)[-1] == "cause_changed"
    assert Problem.objects.get(id=first).state == "resolved"
    assert problems.totals([first])[first].cases == 0
    assert problems.totals([case.problem_id])[case.problem_id].amounts == {"EUR": 482_100}


def test_it_is_done_with_proof_and_the_problem_ends() -> None:
    case = opened()
    cases.replaying([case.step_id], "ann")
    proof = {"searched_at": NOW, "found": 0, "posted_at": NOW, "document": "4711"}
    assert cases.resolve_for({case.step_id: proof, keys.new_id(): {}}, "engine") == [case.id]
    case = fresh(case)
    assert (case.state, case.resolution, case.document, case.resolved_at) == (
        "resolved",
        "fixed_by_replay",
        "4711",
        NOW,
    )
    assert case.proof["searched_at"] == NOW.isoformat()
    assert kinds(case)[-1] == "replay_confirmed"
    assert case.problem.state == "resolved"
    assert cases.resolve_for({case.step_id: proof}, "engine") == []


def test_a_later_run_succeeds_by_itself() -> None:
    case = opened(reason="platform_unavailable", blocker=None)
    cases.resolve_for({case.step_id: {}}, "engine")
    assert fresh(case).resolution == "resolved_by_itself"


def test_the_same_cause_strikes_a_resolved_step_again() -> None:
    case = opened()
    cases.resolve_for({case.step_id: {"document": "4711"}}, "engine")
    later = NOW + dt.timedelta(days=1)
    with clock.at(later):
        case = again(case)
    assert (case.state, case.attempts, case.resolution, case.resolved_at) == ("reopened", 2, "", None)
    assert case.due_at == later + dt.timedelta(hours=4)
    assert case.problem.state == "open"
    assert kinds(case)[-1] == "reopened"
    assert Case.objects.count() == 1


def test_another_cause_opens_a_resolved_step_anew() -> None:
    case = opened()
    cases.resolve_for({case.step_id: {}}, "engine")
    case = again(case, reason="account_inactive", blocker=("erp-de", "account", "4000", "inactive"))
    assert case.state == "open"
    assert ("resolved", "open") in moves(case.id)


def test_a_snoozed_case_sleeps_on_for_its_cause_and_wakes_for_another(person: Any) -> None:
    ann = person("ann")
    case = opened()
    casework.snooze(ann, [case.id], until=NOW + dt.timedelta(days=2))
    assert again(case).state == "snoozed"
    case = again(case, reason="account_inactive", blocker=("erp-de", "account", "4000", "inactive"))
    assert (case.state, case.snoozed_at, case.snoozed_until) == ("open", None, None)


def test_a_discount_waits_for_a_second_person_and_is_then_replayed(person: Any) -> None:
    found = {"reason": "discount_approval_required", "text": "Discount 35 %, limit 20 %"}
    other = {"reason": "credit_approval_required", "text": "Over the soft limit"}
    case = opened(
        reason="discount_approval_required", blocker=None, text=found["text"], context={"findings": [found, other]}
    )
    assert case.state == "awaiting_approval"
    asked = Approval.objects.get(case=case)
    assert (asked.state, asked.action, asked.requested_by) == ("requested", "discount_approval_required", None)
    decision = approvals.approve(person("bob"), [asked.id], "agreed with the CFO")
    assert decision.granted_steps == [case.step_id]
    assert (asked.data["findings"], asked.data["besides"]) == ([found], ["credit_approval_required"])
    assert approvals.granted([case.step_id]) == {case.step_id: [found]}
    assert cases.replaying([case.step_id], "engine") == [case.id]
    cases.resolve_for({case.step_id: {}}, "engine")
    assert fresh(case).state == "resolved"


def test_then_it_needs_the_other_approval_too(person: Any) -> None:
    case = opened(reason="discount_approval_required", blocker=None)
    approvals.approve(person("bob"), [Approval.objects.get().id])
    cases.replaying([case.step_id], "engine")
    case = again(case, reason="credit_approval_required", blocker=None)
    assert case.state == "awaiting_approval"
    assert Approval.objects.get(state="requested").action == "credit_approval_required"


def test_thousands_of_failures_open_in_a_handful_of_statements() -> None:
    made = [failure(business_key=f"INV-{i}", entity=("DE", "US")[i % 2]) for i in range(3_000)]
    open_for_one = CaptureQueriesContext(connection)
    with open_for_one:
        cases.open_for([failure()], "engine")
    with CaptureQueriesContext(connection) as queries:
        ids = cases.open_for(made, "engine")
    assert len(ids) == 3_000
    assert len(queries) <= 15, [q["sql"][:90] for q in queries]
    assert len(queries) <= len(open_for_one) + 1
    assert Case.objects.count() == CaseEvent.objects.count() == 3_001
    problem = Problem.objects.get()
    assert problems.totals([problem.id])[problem.id].cases == 3_001
    steps = list(ids)
    with CaptureQueriesContext(connection) as queries:
        cases.replaying(steps, "ann")
        cases.open_for([failure(step_id=step) for step in steps], "engine")
        cases.resolve_for({step: {"document": "1"} for step in steps}, "engine")
    assert len(queries) <= 50, [q["sql"][:90] for q in queries]
    assert Case.objects.filter(state="resolved", attempts=2).count() == 3_000
    # Deferred foreign keys are checked after the test: by plans of now, not of when the tables were empty.
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")


@pytest.mark.parametrize(
    "odd",
    [
        {"text": "nul \x00 inside, lone \ud800 surrogate"},
        {"code": "x" * 5_000, "business_key": "y" * 5_000, "field": "z" * 5_000},
        {"context": {"answer": "\x00", "list": ["\ud800", float("nan")], "at": NOW}},
        {"amount_minor": 5, "currency": ""},
        {"text": "'; DROP TABLE exceptions_case; -- %s %(x)s \\u0000 {code}"},
    ],
)
def test_whatever_a_platform_says_becomes_a_case(odd: dict[str, Any]) -> None:
    case = opened(**odd)
    assert case.state == "open"
    assert "\x00" not in case.text


def test_a_reason_nobody_seeded_still_finds_its_owner() -> None:
    Policy.objects.filter(reason="period_closed").delete()
    assert opened().owner_team_id == "controllers"


def test_the_outcome_is_unknown_and_people_see_it() -> None:
    case = opened()
    cases.replaying([case.step_id], "ann")
    cases.sent([case.step_id], "engine")
    assert cases.outcome_unknown([case.step_id], "engine", "connection dropped") == [case.id]
    assert kinds(case)[-2:] == ["replay_sent", "outcome_unknown"]
    assert fresh(case).state == "replaying"


def test_counts_stay_true_through_folding(person: Any) -> None:
    ann = person("ann")
    one, two = opened(), opened(entity="US", amount_minor=100, currency="USD")
    cases.resolve_for({one.step_id: {}}, "engine")
    before = tallies.counts(ann, "state"), problems.totals([two.problem_id])
    tallies.fold()
    assert (tallies.counts(ann, "state"), problems.totals([two.problem_id])) == before
    assert before[0] == {"open": 1, "resolved": 1}
    assert tallies.blocking(ann, entity="US", period="2026-10") == [
        {"entity": "US", "period": "2026-10", "reason": "period_closed", "owner_team": "controllers", "currency": "USD",
         "cases": 1, "amount_minor": 100, "credit_minor": 0}
    ]  # fmt: skip
    assert tallies.counts(person("eve", ()), "state") == {}


def test_a_credit_makes_no_charge_smaller(person: Any) -> None:
    """Two opposite failures are not worth nothing; what ended counts on neither side."""
    ann = person("ann")
    one, *_ = [opened(amount_minor=minor, currency="USD") for minor in (70_000, -70_000, -5)]
    ended = opened(amount_minor=-300, currency="USD")
    cases.resolve_for({ended.step_id: {}}, "engine")
    (row,) = tallies.blocking(ann)
    assert (row["cases"], row["amount_minor"], row["credit_minor"]) == (3, -5, -70_005)
    found = problems.totals([one.problem_id])[one.problem_id]
    assert (found.amounts, found.credits) == ({"USD": -5}, {"USD": -70_005})
    assert problems.totals([one.problem_id], ("in_progress",))[one.problem_id].credits == {}


def test_a_platform_is_down_and_comes_back(person: Any) -> None:
    since = dt.datetime(2026, 11, 3, 9, 2, tzinfo=dt.UTC)
    first = problems.connection_down("erp-us", since, {"noun": "journal", "count": 1})
    again_ = problems.connection_down("erp-us", since, {"noun": "journal", "count": 1204, "amounts": {"USD": 5}})
    assert first == again_
    problem = Problem.objects.get()
    assert problem.title == "erp-us is down since 2026-11-03 09:02 UTC, 1,204 journals wait"
    assert [p.id for p, _ in problems.cards(person("ann"))] == [first]
    with clock.at(since + dt.timedelta(minutes=30)):
        assert problems.connection_up("erp-us") is True
    assert fresh(problem).title == (
        "erp-us was down from 2026-11-03 09:02 UTC until 2026-11-03 09:32 UTC, 1,204 journals waited"
    )
    assert problems.connection_up("erp-us") is False
    assert states.edges(Problem) == {("open", "resolved"), ("resolved", "open")}
    problems.connection_down("erp-us", since, {"noun": "journal", "count": 2})
    assert fresh(problem).state == "open" and fresh(problem).title.endswith("09:02 UTC, 2 journals wait")


def test_cards_are_the_biggest_first(person: Any) -> None:
    opened(blocker=("erp-de", "period", "2026-09", "closed"))
    for _ in range(3):
        opened()
    found = problems.cards(person("ann"))
    assert [totals.cases for _, totals in found] == [3, 1]
    assert problems.cards(person("eve", ("view_case",))) == []
