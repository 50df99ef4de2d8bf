"""What fails of a hierarchy of customers holds what lies below it, and nothing else.

Harbor Holdings in San Francisco has a daughter in Hamburg, whom billing refuses.
"""

from __future__ import annotations

import pytest

from exceptions.models import Case
from q2c.engine import replay, run
from q2c.models import Step
from tests.scenarios.conftest import HARBOR, HARBOR_DE, Story, order
from tests.stages.test_provisioning import accepted, accounts, deal, seats

pytestmark = pytest.mark.django_db(transaction=True)


def synced(number: str) -> dict[str, str]:
    """State by account, in billing."""
    steps = Step.objects.filter(stage="sync_customer", business_key=number, connection="zuora")
    return {part.partition("|")[2]: state for part, state in steps.values_list("part", "state")}


def refused_daughter(story: Story) -> None:
    accepted(story, deal("SO-1", {"DE": HARBOR_DE}, seats("DE")))
    run.run_stage("sync_customer")
    story.platforms.fault("zuora", "business_failure", "create_account", times=1)
    run.drain("sync_customer")
    assert synced("SO-1") == {"A-1-EUR": "done", "A-2-EUR": "failed"}


def test_a_refused_daughter_holds_nobody_beside_her(story: Story) -> None:
    with story.on("2026-02-02"):
        refused_daughter(story)
        accepted(story, deal("SO-2", {"US": HARBOR}, seats("US")), deal("SO-3", {"DE": HARBOR_DE}, seats("DE")))
        story.flow.work()
        assert synced("SO-2") == {"A-1-USD": "done"}
        assert order("SO-2").subscriptions.exists()
        # Her own account is not tried a second time before the first is solved.
        assert synced("SO-3") == {"A-1-EUR": "done", "A-2-EUR": "waiting"}
        replay.replay([Case.objects.get().step_id], "ann")
        story.flow.work()
        assert synced("SO-1") == synced("SO-3") == {"A-1-EUR": "done", "A-2-EUR": "done"}
    assert sorted(accounts(story)) == ["A-1-EUR", "A-1-USD", "A-2-EUR"]


def test_those_that_waited_behind_her_go_on_beside_her(story: Story) -> None:
    """All were planned before she was refused."""
    with story.on("2026-02-02"):
        accepted(
            story, deal("SO-1", {"DE": HARBOR_DE}, seats("DE")), deal("SO-2", {"DE": HARBOR_DE}, seats("DE")),
            deal("SO-3", {"US": HARBOR}, seats("US")),
        )  # fmt: skip
        run.run_stage("sync_customer")
        story.platforms.fault("zuora", "business_failure", "create_account", times=1)
        run.drain("sync_customer")
        assert [synced(number) for number in ("SO-1", "SO-2", "SO-3")] == [
            {"A-1-EUR": "done", "A-2-EUR": "failed"},
            {"A-1-EUR": "done", "A-2-EUR": "waiting"},
            {"A-1-USD": "done"},
        ]
        replay.replay([Case.objects.get().step_id], "ann")
        story.flow.work()
    assert set(Step.objects.filter(stage="sync_customer").values_list("state", flat=True)) == {"done"}
    assert sorted(accounts(story)) == ["A-1-EUR", "A-1-USD", "A-2-EUR"]
