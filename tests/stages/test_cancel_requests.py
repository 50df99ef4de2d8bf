"""When an order is cancelled, and which of several requests counts."""

from __future__ import annotations

import pytest

from exceptions.models import Case
from q2c.engine import replay
from q2c.models import Step, Subscription
from q2c.stages import cancel_order
from q2c.ui.case import _proof as proof
from tests.scenarios.conftest import HARBOR, HARBOR_DE, Story, order
from tests.stages.conftest import tell
from tests.stages.test_provisioning import cancel, deal, seats, states

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_subscription_is_cancelled_before_it_starts(story: Story) -> None:
    """Sold on 2 February to start in December, withdrawn at once: billing is told the first day of the term."""
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR}, seats("US"), starts="2026-12-01"))
        cancel(story, on="2026-02-02")
    assert (order("SO-1").state, Subscription.objects.get().state) == ("cancelled", "cancelled")
    (ended,) = story.platforms.records("zuora", "subscription")
    assert ended["body"]["cancelledOn"] == "2026-12-01"
    (proof,) = Step.objects.get(stage="cancel_order").proof["cancelled"]
    assert proof["compared"] == {"date": "2026-12-01"}
    assert not Case.objects.exists()


def test_a_newer_request_takes_the_place_of_one_that_failed(story: Story) -> None:
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR}, seats("US")))
    with story.on("2026-03-05", "09:00"):
        story.flow.work()
        story.platforms.fault("zuora", "business_failure", "create_order", times=1)
        cancel(story, on="2026-03-05")
        assert (order("SO-1").state, states("cancel_order")) == ("active", {"failed": 1})
    with story.on("2026-03-05", "10:00"):
        cancel(story, on="2026-03-06")
        # What is still to come does not keep the one that failed open beside it.
        assert states("cancel_order") == {"abandoned": 1, "waiting": 1}
        case = Case.objects.get()
        assert (case.state, case.resolution) == ("resolved", "superseded")
    with story.on("2026-03-06", "12:00"):
        story.flow.work()
    assert (order("SO-1").state, states("cancel_order")) == ("cancelled", {"abandoned": 1, "done": 1})
    (ended,) = story.platforms.records("zuora", "subscription")
    assert ended["body"]["cancelledOn"] == "2026-03-06"


def test_the_case_tells_of_each_subscription_whether_it_was_cancelled_now_or_before(story: Story) -> None:
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR, "DE": HARBOR_DE}, seats("US"), seats("DE")))
    with story.on("2026-03-05", "09:00"):
        story.flow.work()
        # The first goes through, the second is refused, until somebody has looked into it.
        story.platforms.fault("zuora", "business_failure", "create_order", times=1)
        cancel(story, on="2026-03-05")
    with story.on("2026-03-05", "10:00"):
        replay.replay([Case.objects.get().step_id], "ann")
        story.flow.work()
    told = proof(Case.objects.get(), Step.objects.get(stage="cancel_order"), "")
    said = [(line["what"], line["text"].partition(",")[0].partition(" ")[0]) for line in told]
    assert sorted(said) == sorted(set(said)), "nothing is told twice"
    assert [what for what, text in said if text.startswith("X-SO-1-")].count("Posted") >= 1
    assert {text for what, text in said if what in ("Read back", "Found there")} == {"X-SO-1-DE", "X-SO-1-US"}


def test_a_request_that_was_there_already_goes_on_when_the_one_before_it_fails(story: Story) -> None:
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR}, seats("US")))
    with story.on("2026-03-05"):
        story.flow.work()
        story.platforms.fault("zuora", "business_failure", "create_order", times=1)
        for name, on in (("c-1", "2026-03-04"), ("c-2", "2026-03-05")):
            tell("OrderCancelRequested", name, "back-office", {"order_number": "SO-1", "effective_on": on})
        story.flow.work()
    assert (order("SO-1").state, states("cancel_order")) == ("cancelled", {"abandoned": 1, "done": 1})
    assert Case.objects.get().resolution == "superseded"


def test_what_begins_while_billing_is_asked_is_waited_for_and_nobody_has_to_replay(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is recorded, a subscription of the order is seen on its way: the request runs again after it."""
    seen = iter([{}, {"SO-1": "is in the middle of provision_billing"}])
    real = cancel_order._under_way
    with story.on("2026-02-02"):
        story.close(deal("SO-1", {"US": HARBOR}, seats("US")))
    with story.on("2026-03-05", "09:00"):
        story.flow.work()
        monkeypatch.setattr(cancel_order, "_under_way", lambda *given: next(seen, None) or real(*given))
        cancel(story, on="2026-03-05")
    with story.on("2026-03-05", "10:00"):
        story.flow.work()
    assert next(seen, "asked") == "asked"
    assert (order("SO-1").state, states("cancel_order")) == ("cancelled", {"done": 1})
    assert not Case.objects.exists()
    assert len(story.platforms.records("zuora", "subscription")) == 1
