"""An order is cancelled while billing still works on what was given up: the subscription that comes of it ends, too."""

from __future__ import annotations

from time import sleep

import pytest

from q2c.engine import replay, run
from q2c.models import Connection, Step
from tests.scenarios.conftest import HARBOR, Story, order
from tests.stages.test_provisioning import accepted, billing_orders, cancel, deal, seats

pytestmark = pytest.mark.django_db(transaction=True)
# Jobs of the sandbox take the machine's seconds.
JOB_S = 3


def test_a_job_that_ends_after_its_step_was_given_up_is_waited_for(story: Story) -> None:
    story.platforms.seed("zuora", {"job_s": str(JOB_S)})
    Connection.objects.filter(name="zuora").update(job_limit_s=1)
    with story.on("2026-02-02", "09:00"):
        accepted(story, deal("SO-1", {"US": HARBOR}, seats("US")))
        run.drain("sync_customer")
        run.run_stage("provision_billing")
    step = Step.objects.get(stage="provision_billing")
    with story.on("2026-02-02", "09:01"):
        run.run_stage("provision_billing")
        step = Step.objects.get(id=step.id)
        assert (step.state, step.reason) == ("failed", "job_overdue"), step.text
        replay.abandon([step.id], "ann", "given up")
    with story.on("2026-02-03", "09:00"):
        cancel(story, on="2026-03-01")
        waiting = Step.objects.get(stage="cancel_order")
        assert (waiting.state, order("SO-1").state) == ("waiting", "accepted")
        assert "may still make S-SO-1-US by job" in waiting.text
    sleep(JOB_S)
    with story.on("2026-02-03", "10:00"):
        story.flow.work()
    assert order("SO-1").state == "cancelled"
    assert billing_orders(story) == ["O-SO-1-US", "X-SO-1-US"]
