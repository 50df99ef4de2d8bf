"""What people do with cases: take them, give them, let them sleep, ask that nothing be done; and who may not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from exceptions import approvals, casework, rights, sweep
from exceptions.errors import NotPossible, Refused
from exceptions.models import Approval, Case, Comment, Holiday, Team
from q2c import clock, keys
from tests.exceptions.conftest import NOW, again, fresh, kinds, moves, opened

pytestmark = pytest.mark.django_db


def hours(number: float) -> dt.timedelta:
    return dt.timedelta(hours=number)


def test_what_another_has_is_left_to_them(person: Any) -> None:
    ann, bob = person("ann"), person("bob")
    one, two = opened(), opened(business_key="INV-2")
    assert casework.claim(ann, [one.id]).done == [one.id]
    done = casework.claim(bob, [one.id, two.id])
    assert done.done == [two.id] and list(done.left) == [one.id]
    assert "ann" in done.left[one.id]
    assert (fresh(one).assignee_id, fresh(one).state) == (ann.pk, "in_progress")
    casework.release(ann, [one.id])
    assert (fresh(one).assignee_id, fresh(one).state) == (None, "open")
    assert kinds(one) == ["opened", "claimed", "released"]


def test_another_team_brings_its_own_calendar_and_drops_the_person(person: Any) -> None:
    Team.objects.filter(code="billing-ops").update(zone="Asia/Tokyo")
    ann = person("ann")
    case = opened()
    casework.claim(ann, [case.id])
    casework.assign(ann, [case.id], team="billing-ops")
    case = fresh(case)
    assert (case.owner_team_id, case.assignee_id, case.owner_by_hand) == ("billing-ops", None, True)
    # 19:00 in Tokyo when it failed: its four hours begin at 8 the next morning.
    assert case.due_at == dt.datetime(2026, 11, 4, 3, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "Name a team or a person"),
        ({"team": "nobody"}, "There is no team nobody"),
    ],
)
def test_to_whom(person: Any, how: dict[str, Any], said: str) -> None:
    with pytest.raises(NotPossible, match=said):
        casework.assign(person("ann"), [opened().id], **how)


def test_who_has_left_gets_nothing(person: Any) -> None:
    gone = person("gone")
    gone.is_active = False
    gone.save()
    with pytest.raises(NotPossible, match="gone no longer works here"):
        casework.assign(person("ann"), [opened().id], assignee=gone)


def test_snoozed_over_a_holiday_the_clock_stands_still_and_runs_on(person: Any) -> None:
    """Tuesday 10:00 it fails with four hours; at noon it sleeps until Thursday 9:00; Wednesday nobody works."""
    Holiday.objects.create(team_id="controllers", day=dt.date(2026, 11, 4))
    case = opened()
    with clock.at(NOW + hours(2)):
        until = dt.datetime(2026, 11, 5, 9, tzinfo=dt.UTC)
        casework.snooze(person("ann"), [case.id], until=until, why="The bank is closed")
        assert fresh(case).state == "snoozed"
    with clock.at(until - hours(1)):
        assert sweep.sweep()["woken"] == 0
    with clock.at(until):
        assert sweep.sweep()["woken"] == 1
        assert sweep.sweep()["woken"] == 0
    case = fresh(case)
    assert (case.state, case.snoozed_at, case.snoozed_until) == ("open", None, None)
    # Two of four hours were left; from noon to six and from eight to nine it slept.
    assert case.paused_s == 7 * 3600
    assert case.due_at == until + hours(2)
    assert kinds(case) == ["opened", "snoozed", "woken"]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "Say until when"),
        ({"until": NOW - hours(1)}, "That time has passed"),
        ({"until": dt.datetime(2027, 1, 1)}, "That time has passed"),  # noqa: DTZ001
    ],
)
def test_until_when(person: Any, how: dict[str, Any], said: str) -> None:
    with pytest.raises(NotPossible, match=said):
        casework.snooze(person("ann"), [opened().id], **how)


def test_without_a_blocker_there_is_nothing_to_wait_for(person: Any) -> None:
    case = opened(reason="request_refused", blocker=None)
    done = casework.snooze(person("ann"), [case.id], until_blocker=True)
    assert done.done == [] and "names no blocker" in done.left[case.id]


def test_comments_stay_whatever_becomes_of_it(person: Any) -> None:
    ann, case = person("ann"), opened()
    casework.comment(ann, [case.id], "  Rosa knows \x00 about it  ")
    again(case)
    assert Comment.objects.get().text == "Rosa knows � about it"
    with pytest.raises(NotPossible, match="Write something"):
        casework.comment(ann, [case.id], "   ")


def test_closed_without_a_fix_by_two(person: Any) -> None:
    ann, bob = person("ann"), person("bob")
    case = opened()
    casework.close_without_fix(ann, [case.id], "A test invoice", "test_data")
    [asked] = Approval.objects.all()
    assert (asked.action, asked.reason, asked.amount_minor) == ("close_without_fix", "A test invoice", 482_100)
    with pytest.raises(Refused, match="may not approve their own request"):
        approvals.approve(ann, [asked.id])
    decision = approvals.approve(bob, [asked.id], "Seen it")
    assert (decision.done, decision.closed_steps, decision.granted_steps) == ([asked.id], [case.step_id], [])
    case = fresh(case)
    assert (case.state, case.resolution, case.root_cause) == ("closed_without_fix", "closed_without_fix", "test_data")
    assert fresh(case.problem).state == "resolved"
    assert approvals.approve(bob, [asked.id]).left[asked.id] == "it is approved already"
    assert kinds(case)[1:] == ["approval_requested", "refused", "approved", "closed_without_fix"]


@pytest.mark.parametrize(
    ("why", "cause", "said"), [("", "other", "Say why"), ("Because", "magic", "Choose a root cause: master_data")]
)
def test_no_closing_without_a_reason(person: Any, why: str, cause: str, said: str) -> None:
    with pytest.raises(NotPossible, match=said):
        casework.close_without_fix(person("ann"), [opened().id], why, cause)


def test_refused_and_taken_back(person: Any) -> None:
    ann, bob = person("ann"), person("bob")
    one, two = opened(), opened(business_key="INV-2")
    casework.close_without_fix(ann, [one.id, two.id], "Old", "other")
    first, second = Approval.objects.order_by("id")
    with pytest.raises(NotPossible, match="Say why it is refused"):
        approvals.refuse(bob, [first.id], "")
    approvals.refuse(bob, [first.id], "It must be posted")
    with pytest.raises(Refused, match="only who asked"):
        approvals.withdraw(bob, [second.id])
    approvals.withdraw(ann, [second.id])
    assert {fresh(case).state for case in (one, two)} == {"open"}
    assert [fresh(asked).state for asked in (first, second)] == ["refused", "withdrawn"]


def test_what_the_flow_asked_for_is_refused_and_goes_to_those_who_can_change_it(person: Any) -> None:
    bob = person("bob")
    case = opened(reason="credit_approval_required", blocker=None, stage="accept_order")
    assert (case.state, case.owner_team_id) == ("awaiting_approval", "controllers")
    with clock.at(NOW + dt.timedelta(hours=30)):
        decision = approvals.refuse(bob, [Approval.objects.get().id], "no", owners={"accept_order": "sales-ops"})
        case = fresh(case)
        assert (case.state, case.owner_team_id, case.owner_by_hand) == ("open", "sales-ops", True)
        assert (case.level_from, case.due_at > clock.now()) == (clock.now(), True)
    assert (decision.refused_steps, decision.closed_steps) == ([case.step_id], [])
    assert kinds(case)[-2:] == ["approval_refused", "assigned"]


def test_refusing_for_good_never_ends_a_case_that_a_person_asked_to_close(person: Any) -> None:
    ann, bob = person("ann"), person("bob")
    case = opened()
    casework.close_without_fix(ann, [case.id], "Old", "other")
    approvals.refuse(bob, [Approval.objects.get().id], "post it", for_good=True, owners={"post_journal": "sales-ops"})
    assert (fresh(case).state, fresh(case).owner_team_id) == ("open", case.owner_team_id)


@pytest.mark.parametrize(
    ("act", "right"),
    [
        (lambda user, case: casework.claim(user, [case.id]), rights.WORK),
        (lambda user, case: casework.assign(user, [case.id], team="billing-ops"), rights.WORK),
        (lambda user, case: casework.comment(user, [case.id], "x"), rights.WORK),
        (lambda user, case: casework.snooze(user, [case.id], until_blocker=True), rights.WORK),
        (lambda user, case: casework.close_without_fix(user, [case.id], "x", "other"), rights.CLOSE),
        (lambda user, case: approvals.approve(user, [keys.new_id()]), rights.APPROVE),
    ],
)
def test_each_verb_has_its_right(person: Any, act: Any, right: str) -> None:
    case = opened()
    eve = person("eve", rights=("view_case",))
    with pytest.raises(Refused) as refusal:
        act(eve, case)
    assert refusal.value.right == right
    assert fresh(case).state == "open" and moves(case.id) == [("", "open")]


def test_what_one_may_not_see_does_not_exist(person: Any) -> None:
    case = opened()
    blind = person("blind", rights=("work_case",))
    assert casework.claim(blind, [case.id]).left == {case.id: "there is no such case"}
    assert Case.objects.visible_to(blind).count() == 0
