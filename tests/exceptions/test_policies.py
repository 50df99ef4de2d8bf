"""Every reason has one policy, and every policy says enough for its owner to act."""

from __future__ import annotations

import re

import pytest

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


@pytest.mark.django_db
def test_migrate_has_written_each_policy() -> None:
    assert set(Policy.objects.values_list("reason", flat=True)) == set(Reason)
