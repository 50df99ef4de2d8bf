"""What follows from something arrives before it: the books come out as if it had come in order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from exceptions.models import Case, Offer
from q2c import clock
from q2c.contracts.events import OrderCancelRequested
from q2c.engine import replay, watch
from q2c.models import Event, Order, Step, Subscription
from tests import flow_makers as fm

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
FLOW = (
    "accept_order", "cancel_order", "sync_customer", "provision_billing", "activate_subscription", "record_invoice",
    "post_journal",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _company(company_day: None) -> None:
    fm.company()


@pytest.fixture
def company_day() -> Iterator[None]:
    with clock.at(NOW):
        yield


def works(after_s: float = 0, stages: tuple[str, ...] = FLOW) -> None:
    """All stages, until nothing is due at that moment."""
    with clock.at(NOW + clock.seconds(after_s)):
        while sum(fm.run(stage) for stage in stages):
            pass


def calls_off(number: str = "O-1", on: str = "2026-03-02") -> Event:
    asked = OrderCancelRequested(order_number=number, effective_on=dt.date.fromisoformat(on), reason="changed mind")
    return fm.arrive("OrderCancelRequested", "webshop", f"c-{number}", asked)


def the_cancel() -> Step:
    return Step.objects.get(stage="cancel_order")


# A cancellation before its order --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cancelled_first", [False, True])
def test_an_order_and_its_cancellation_come_to_the_same_in_whatever_order(cancelled_first: bool) -> None:
    if cancelled_first:
        calls_off()
        works()
        assert (the_cancel().state, the_cancel().text) == ("waiting", "Order O-1 is not known yet")
        fm.deal("O-1")
    else:
        fm.deal("O-1")
        works(stages=("accept_order",))
        calls_off()
    works(0.5)
    assert (Order.objects.get().state, the_cancel().state) == ("cancelled", "done")
    assert not Subscription.objects.exists() and not Case.objects.exists()


def test_nothing_is_provisioned_before_the_turn_of_a_cancellation_that_waits() -> None:
    calls_off()
    works()
    fm.deal("O-1")
    others = tuple(stage for stage in FLOW if stage != "cancel_order")
    works(0.5, others)
    provision = Step.objects.get(stage="provision_billing")
    assert (provision.state, provision.text) == ("waiting", "Order O-1 is asked to be cancelled; that comes first")
    works(0.6)
    assert (Order.objects.get().state, Subscription.objects.count()) == ("cancelled", 0)
    assert Step.objects.get(stage="provision_billing").state == "abandoned"


def test_a_cancellation_before_its_order_waits_for_its_day_as_one_after_it() -> None:
    """What it asks for is still to come: the order is provisioned, and cancelled on that day."""
    calls_off(on="2026-06-01")
    works()
    fm.deal("O-1")
    works(1)
    assert (the_cancel().state, the_cancel().text) == ("waiting", "Order O-1 is cancelled as of 2026-06-01")
    # Its entity is in New York.
    assert the_cancel().next_at == dt.datetime(2026, 6, 1, 4, tzinfo=dt.UTC)
    works(10)
    assert Order.objects.get().state == "active"
    with clock.at(dt.datetime(2026, 6, 1, 5, tzinfo=dt.UTC)):
        fm.run("cancel_order")
    assert (Order.objects.get().state, Subscription.objects.get().state) == ("cancelled", "cancelled")
    assert not Case.objects.exists()


def test_a_cancellation_that_waited_long_enough_is_offered_once_its_order_is_there() -> None:
    calls_off()
    for minutes in range(10):
        works(180 * minutes)
    stuck = Case.objects.get()
    assert (stuck.reason, stuck.blocker) == ("record_missing", ("", "order", "O-1", "unknown"))
    with clock.at(NOW + clock.seconds(1800)):
        assert watch.watch_blockers() == {"looked": 1, "offers": 0}
        fm.deal("O-1")
        works(1800)
        assert Order.objects.get().state == "active"
        assert watch.watch_blockers() == {"looked": 1, "offers": 1}
        assert "order O-1 is known now" in Offer.objects.get().title
        replay.replay([the_cancel().id], "ann")
        works(1800)
    assert (Order.objects.get().state, Case.objects.get().resolution) == ("cancelled", "fixed_by_replay")
