"""Every reason has one policy, and every policy says enough for its owner to act."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from exceptions import routing
from exceptions.models import Policy
from exceptions.policies import FIX_KINDS, NEVER, POLICIES, TEAMS
from q2c.reasons import APPROVALS, TRANSIENT, Reason

# What a failure carries (exceptions/policies.py says so at its top).
NAMED = {
    "business_key", "customer", "amount", "currency", "entity", "period", "blocker", "connection", "source", "target",
    "code", "field", "stage", "text",
}  # fmt: skip


def test_reasons_and_policies_are_equal() -> None:
    assert set(POLICIES) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_policy_has_an_owner_a_level_a_place_and_three_sentences(reason: Reason) -> None:
    row = POLICIES[reason]
    assert len(reason) <= Policy._meta.get_field("reason").max_length
    assert row.owner in TEAMS and row.severity in ("urgent", "high", "normal", "low") and row.hours > 0
    assert row.fix_kind in FIX_KINDS, "name where the fix button leads"
    assert row.title and "{" not in row.title, "a title stands before its blocker's name"
    assert set(re.findall(r"{(\w+)}", row.sentence)) <= NAMED
    for sentence in (row.sentence, row.look, row.fix, row.replay):
        assert sentence.endswith((".", "?", "{text}")), sentence
    for sentence in (row.look, row.fix, row.replay):
        assert "{" not in sentence, "a runbook is shown as it stands"


@pytest.mark.parametrize("reason", Reason)
def test_what_passes_by_itself_has_a_budget_and_nothing_else_has(reason: Reason) -> None:
    assert (POLICIES[reason].retry != NEVER) == (reason in TRANSIENT)
    assert not (reason in TRANSIENT and reason in APPROVALS)


@pytest.mark.parametrize("reason", Reason)
def test_what_a_second_person_decides_names_the_right_that_they_need_and_nothing_else_does(reason: Reason) -> None:
    assert bool(POLICIES[reason].signed_with) == (reason in APPROVALS)
    assert (POLICIES[reason].fix_kind == "approval") == (reason in APPROVALS)


@pytest.mark.django_db
def test_migrate_has_written_each_policy() -> None:
    assert set(Policy.objects.values_list("reason", flat=True)) == set(Reason)


def table_says(patch: pytest.MonkeyPatch, reason: Reason, **texts: str) -> None:
    """Another version of q2c is installed, and migrate is run."""
    patch.setitem(POLICIES, reason, replace(POLICIES[reason], **texts))
    assert routing.sync_policies() == []


@pytest.mark.django_db
def test_a_text_that_nobody_has_edited_becomes_the_new_one_at_migrate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person has put one text and the level of a policy their way; what else it says follows the table."""
    policy, other = (Policy.objects.get(reason=reason) for reason in (Reason.PERIOD_CLOSED, Reason.PERIOD_MISSING))
    policy.look, policy.service_level_h, policy._change_reason = "Ask Mia.", 3, "as agreed"
    policy.save()
    # Twice: what the first upgrade wrote holds the person's text, which is theirs all the same.
    for version in ("second", "third"):
        table_says(monkeypatch, Reason.PERIOD_CLOSED, look=f"The {version} look.", fix=f"The {version} fix.", hours=40)
        policy.refresh_from_db()
        assert (policy.look, policy.fix, policy.service_level_h) == ("Ask Mia.", f"The {version} fix.", 3)
        assert policy.replay == POLICIES[Reason.PERIOD_CLOSED].replay
    assert [row.fix for row in policy.history.order_by("-history_id")[:2]] == ["The third fix.", "The second fix."]
    last = other.history.latest("history_id")
    assert routing.sync_policies() == []
    assert other.history.latest("history_id") == last and policy.history.count() == 4, "nothing more to write"


@pytest.mark.django_db
def test_a_text_of_which_no_history_tells_who_wrote_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    Policy.objects.filter(reason=Reason.PERIOD_CLOSED).update(fix="Ask Mia.")
    table_says(monkeypatch, Reason.PERIOD_CLOSED, fix="The second fix.", look="The second look.")
    policy = Policy.objects.get(reason=Reason.PERIOD_CLOSED)
    assert (policy.fix, policy.look) == ("Ask Mia.", "The second look.")
