"""A cancellation for a day still to come: another takes its place, people withdraw it, and only one is done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from exceptions.errors import NotPossible, Refused
from exceptions.models import Case
from q2c import clock
from q2c.contracts.documents import InvoiceLine
from q2c.contracts.events import OrderCancelRequested
from q2c.engine import requests
from q2c.models import Event, Invoice, Order, Step, Subscription, Transition
from q2c.reading import cancellation
from q2c.stages import term_of_invoices
from q2c.stages.controls.calendar import add_months
from tests import flow_makers as fm

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
FLOW = ("accept_order", "cancel_order", "sync_customer", "provision_billing", "activate_subscription")
TYPED_WRONG, MEANT = dt.date(2027, 6, 1), dt.date(2026, 6, 1)


@pytest.fixture(autouse=True)
def _company() -> Iterator[None]:
    with clock.at(NOW):
        fm.company()
        yield


def works(at: dt.datetime = NOW) -> None:
    with clock.at(at):
        while sum(fm.run(stage) for stage in FLOW):
            pass


@pytest.fixture
def order() -> Order:
    fm.deal("O-1")
    works()
    return Order.objects.get()


@pytest.fixture
def sofia(django_user_model: Any) -> Any:
    return django_user_model.objects.create_superuser("sofia", password="x", first_name="Sofia", last_name="Ito")


def requested() -> list[tuple[str, str]]:
    rows = Step.objects.filter(stage="cancel_order").order_by("seq")
    return list(rows.values_list("state", "text"))


def asks_by_key(id_: str, day: dt.date, at: dt.datetime = NOW) -> Event:
    with clock.at(at):
        asked = OrderCancelRequested(order_number="O-1", effective_on=day, reason="changed mind")
        return fm.arrive("OrderCancelRequested", "office", id_, asked)


@pytest.mark.parametrize(("first", "second"), [(TYPED_WRONG, MEANT), (MEANT, TYPED_WRONG), (MEANT, NOW.date())])
def test_another_day_takes_the_place_of_the_first(order: Order, sofia: Any, first: dt.date, second: dt.date) -> None:
    requests.cancel_order(sofia, order, first, "typed in haste")
    works()
    requests.cancel_order(sofia, order, second, "as of the right day")
    assert requested()[0] == ("abandoned", "a newer request to cancel the order took its place")
    move = Transition.objects.get(record_id=Step.objects.get(state="abandoned").id, target="abandoned")
    assert (move.actor, move.why) == ("sofia", "Sofia Ito asked to cancel it: as of the right day")
    works()
    day = dt.datetime.combine(second, dt.time(12), tzinfo=dt.UTC)
    works(day - dt.timedelta(days=1))
    assert Order.objects.get().state == ("cancelled" if second == NOW.date() else "active")
    works(day)
    assert (Order.objects.get().state, Subscription.objects.get().state) == ("cancelled", "cancelled")
    assert [state for state, _ in requested()] == ["abandoned", "done"]


def test_a_day_after_its_end_is_refused_at_once(order: Order, sofia: Any) -> None:
    ends_on = add_months(order.starts_on, order.term_months)
    for day in (ends_on, dt.date(2035, 1, 1)):
        with pytest.raises(NotPossible, match="ends by itself on") as refused:
            requests.cancel_order(sofia, order, day, "typed wrong")
        assert refused.value.remedy == "Choose a day before that"
    assert requested() == []
    requests.cancel_order(sofia, order, ends_on - dt.timedelta(days=1), "a day early")
    assert [state for state, _ in requested()] == ["waiting"]


@pytest.mark.parametrize("day", [dt.date(2028, 3, 2), dt.date(2035, 1, 1), dt.date(9999, 12, 31)])
def test_a_day_after_its_end_is_a_case_at_once_where_a_key_asks(order: Order, day: dt.date) -> None:
    assert add_months(order.starts_on, order.term_months) == dt.date(2028, 3, 2)
    asks_by_key("c-1", day)
    works()
    case = Case.objects.get()
    assert (case.reason, case.field, case.business_key) == ("term_invalid", "/effective_on", "O-1")
    assert f"Order O-1 ends by itself on 2028-03-01; it cannot be cancelled as of {day}" in case.text
    assert (cancellation.waiting(order), Order.objects.get().state) == (None, "active")
    # A right day takes its place.
    asks_by_key("c-2", MEANT, NOW + dt.timedelta(minutes=1))
    works(dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC))
    assert (Case.objects.get().resolution, Order.objects.get().state) == ("superseded", "cancelled")


def test_the_same_day_again_is_asked_for_already(order: Order, sofia: Any) -> None:
    requests.cancel_order(sofia, order, MEANT, "they leave")
    with pytest.raises(NotPossible, match="being cancelled already"):
        requests.cancel_order(sofia, order, MEANT, "they leave, really")
    assert [state for state, _ in requested()] == ["waiting"]


@pytest.mark.parametrize("in_order", [True, False])
def test_of_what_comes_by_key_the_request_made_last_holds(order: Order, in_order: bool) -> None:
    wrong = ("c-1", TYPED_WRONG, NOW)
    meant = ("c-2", MEANT, NOW + dt.timedelta(minutes=1))
    for id_, day, at in (wrong, meant) if in_order else (meant, wrong):
        asks_by_key(id_, day, at)
    open_ = Step.objects.get(stage="cancel_order", state="waiting")
    assert open_.event.source_id == "c-2"
    works(dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC))
    assert Order.objects.get().state == "cancelled"


def test_a_day_after_the_end_that_comes_by_key_leaves_the_one_that_waits(order: Order) -> None:
    asks_by_key("c-1", MEANT)
    asks_by_key("c-2", dt.date(2035, 1, 1), NOW + dt.timedelta(minutes=1))
    works(NOW + dt.timedelta(minutes=2))
    found = Step.objects.filter(stage="cancel_order").values_list("event__source_id", "state", "reason")
    assert sorted(found) == [("c-1", "waiting", ""), ("c-2", "failed", "term_invalid")]
    works(dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC))
    assert Order.objects.get().state == "cancelled"


def test_it_is_withdrawn_and_the_order_goes_on(order: Order, sofia: Any) -> None:
    requests.cancel_order(sofia, order, MEANT, "they leave")
    works()
    requests.withdraw_cancellation(sofia, order, "they stay")
    assert requested() == [("abandoned", "Sofia Ito withdrew it: they stay")]
    works(dt.datetime(2026, 7, 1, tzinfo=dt.UTC))
    assert (Order.objects.get().state, Subscription.objects.get().state) == ("active", "active")
    with pytest.raises(NotPossible, match="waits for its day any more"):
        requests.withdraw_cancellation(sofia, order, "again")
    # Asked for again it is a request of its own.
    requests.cancel_order(sofia, order, MEANT, "they leave after all")
    assert [state for state, _ in requested()] == ["abandoned", "waiting"]


def test_what_is_cancelled_now_is_not_withdrawn(order: Order, sofia: Any) -> None:
    requests.cancel_order(sofia, order, NOW.date(), "now")
    with pytest.raises(NotPossible):
        requests.withdraw_cancellation(sofia, order, "no, wait")
    works()
    assert Order.objects.get().state == "cancelled"


def test_who_may_not_cancel_withdraws_nothing_and_a_reason_is_wanted(
    order: Order, sofia: Any, django_user_model: Any
) -> None:
    requests.cancel_order(sofia, order, MEANT, "they leave")
    with pytest.raises(Refused):
        requests.withdraw_cancellation(django_user_model.objects.create_user("mia"), order, "no")
    with pytest.raises(NotPossible, match="Say why"):
        requests.withdraw_cancellation(sofia, order, " ")
    assert [state for state, _ in requested()] == ["waiting"]


@pytest.mark.parametrize("again", [TYPED_WRONG, dt.date(2026, 7, 1), dt.date(2026, 3, 2)])
def test_a_request_for_an_order_that_is_cancelled_moves_its_end_by_nothing(order: Order, again: dt.date) -> None:
    asks_by_key("c-1", MEANT)
    day = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    works(day)
    asks_by_key("c-2", again, day + dt.timedelta(hours=1))
    works(day + dt.timedelta(hours=2))
    done = Step.objects.get(event__source_id="c-2")
    assert (done.state, done.proof["nothing_to_do"]) == ("done", "Order O-1 is cancelled already")
    cancelled = Order.objects.get()
    assert term_of_invoices.ended([cancelled]) == {(order.id, ""): term_of_invoices.Ended(MEANT, day.date())}
    assert Event.objects.filter(type="OrderCancelled").count() == 1


def test_of_an_order_that_is_cancelled_no_request_waits_for_its_day(order: Order, sofia: Any) -> None:
    """Of two by key the newer came first, for a later day; the older one ends the order at once."""
    asks_by_key("c-2", TYPED_WRONG, NOW + dt.timedelta(minutes=1))
    asks_by_key("c-1", NOW.date(), NOW)
    works(NOW + dt.timedelta(minutes=2))
    cancelled = Order.objects.get()
    assert (cancelled.state, cancellation.waiting(cancelled)) == ("cancelled", None)
    with pytest.raises(NotPossible, match="waits for its day any more"):
        requests.withdraw_cancellation(sofia, cancelled, "they stay")
    works(dt.datetime(2027, 6, 1, 12, tzinfo=dt.UTC))
    assert [state for state, _ in requested()] == ["done", "done"]
    assert term_of_invoices.ended([cancelled])[order.id, ""].on == NOW.date()


def bills_fee(order: Order, number: str, net: int, at: dt.datetime) -> str:
    """As which case it waits, if it does; a fee names no days."""
    line = InvoiceLine(line=1, product="ONBOARDING", kind="one_time", charge="Implementation", net_minor=net)
    with clock.at(at):
        fm.bill(order, number, lines=[line])
        fm.run("record_invoice")
    found = Case.objects.filter(business_key=number).first()
    assert Invoice.objects.filter(number=number).exists() is (found is None)
    return found.reason if found else ""


def test_a_fee_billed_after_a_cancellation_is_signed_and_its_credit_is_not(order: Order) -> None:
    asks_by_key("c-1", MEANT)
    works()
    day = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    assert bills_fee(order, "INV-1", 200_000, day - dt.timedelta(days=1)) == ""
    works(day)
    assert bills_fee(order, "INV-2", 300_000, day + dt.timedelta(days=60)) == "invoice_approval_required"
    assert Case.objects.get().field == "/lines/0/net_minor"
    assert "bills ONBOARDING, but order O-1 was cancelled as of 2026-06-01" in Case.objects.get().text
    assert bills_fee(order, "CM-1", -200_000, day + dt.timedelta(days=61)) == ""


def test_the_same_credit_without_days_again_is_signed(order: Order) -> None:
    first, later = NOW, iter(NOW + dt.timedelta(days=n) for n in range(1, 9))
    assert bills_fee(order, "INV-1", 500_000, first) == ""
    assert bills_fee(order, "CM-1", -100_000, next(later)) == ""
    assert bills_fee(order, "CM-2", -90_000, next(later)) == ""
    assert bills_fee(order, "CM-3", -100_000, next(later)) == "invoice_approval_required"
    assert "credits EUR 1,000.00 of ONBOARDING, as CM-1 did already" in Case.objects.get().text
