"""What follows from something arrives before it: the books come out as if it had come in order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from exceptions import cases
from exceptions.models import Case, Offer
from q2c import clock, states
from q2c.contracts.documents import InvoiceLine
from q2c.contracts.events import OrderCancelRequested
from q2c.engine import replay, watch
from q2c.models import Event, Invoice, Order, Step, Subscription
from q2c.stages.controls.calendar import add_months
from tests import flow_makers as fm
from tests.ui.people import boss, page, read, signed_in

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
        # Nothing of it is provisioned before somebody has decided on that.
        held = Step.objects.get(stage="provision_billing")
        assert (Order.objects.get().state, held.state) == ("accepted", "waiting")
        assert held.text == "Order O-1 is asked to be cancelled; that comes first"
        assert watch.watch_blockers() == {"looked": 1, "offers": 1}
        assert "order O-1 is known now" in Offer.objects.get().title
        replay.replay([the_cancel().id], "ann")
        works(1800)
    assert (Order.objects.get().state, Case.objects.get().resolution) == ("cancelled", "fixed_by_replay")


def test_an_order_goes_on_once_the_cancellation_that_came_before_it_is_closed_without_fix() -> None:
    calls_off()
    for minutes in range(10):
        works(180 * minutes)
    fm.deal("O-1")
    works(1800)
    assert Order.objects.get().state == "accepted"
    cases.resolve_for({the_cancel().id: {}}, "ann", "closed_without_fix")
    states.move(Step, "abandon", [the_cancel().id], text="it was another order's")
    works(1900)
    assert Order.objects.get().state == "active"


# A credit before its invoice ------------------------------------------------------------------------------------------


def bills(number: str, net: int, product: str = "PLATFORM", kind: str = "recurring") -> None:
    """A month of the order, or less than nothing of it."""
    order = Order.objects.get()
    starts = order.starts_on
    days = (starts, add_months(starts, 1)) if kind == "recurring" else (None, None)
    line = InvoiceLine(
        line=1, product=product, kind=kind, charge=product, quantity="1", service_starts_on=days[0],
        service_ends_on=days[1], net_minor=net, tax_minor=net * 19 // 100, tax_code="SW",
    )  # fmt: skip
    fm.bill(order, number, lines=[line])


def sells() -> None:
    fm.deal("O-1")
    works()


SEATS, FEE = ("PLATFORM", "recurring"), ("ONBOARDING", "one_time")


@pytest.mark.parametrize("sold", [SEATS, FEE], ids=["seats", "a fee"])
@pytest.mark.parametrize("together", [False, True], ids=["one after the other", "in one batch"])
@pytest.mark.parametrize("numbers", [("INV-1", "INV-2"), ("INV-2", "INV-1")], ids=["in order", "credit first"])
def test_an_invoice_and_its_credit_come_to_the_same_in_whatever_order(
    numbers: tuple[str, str], together: bool, sold: tuple[str, str]
) -> None:
    sells()
    for number in numbers:
        bills(number, 400_000 if number == "INV-1" else -400_000, *sold)
        if not together:
            works()
    if numbers[0] == "INV-1":
        works()
        assert Invoice.objects.count() == 2, "what came in order waits for nothing"
    works(5)
    works(10)
    assert dict(Invoice.objects.values_list("number", "state")) == {"INV-1": "posted", "INV-2": "posted"}
    assert not Case.objects.exists()


def test_a_credit_that_waited_long_enough_is_offered_once_its_invoice_is_recorded() -> None:
    sells()
    bills("INV-2", -400_000)
    works()
    waiting = Step.objects.get(stage="record_invoice")
    assert (waiting.state, waiting.text) == ("waiting", "What INV-2 credits of order O-1 is not billed yet")
    for minutes in range(10):
        works(60 * minutes)
    stuck = Case.objects.get()
    assert (stuck.reason, stuck.blocker) == ("invoice_mismatch", ("", "credited", "O-1", "not_billed"))
    assert "nothing of it is booked as billed so far" in stuck.text and "that is EUR 4,000.00 too much" in stuck.text
    with clock.at(NOW + clock.seconds(900)):
        assert watch.watch_blockers() == {"looked": 1, "offers": 0}
        bills("INV-1", 400_000)
        works(900)
        assert watch.watch_blockers() == {"looked": 1, "offers": 1}
        assert "what is credited of order O-1 is billed now" in Offer.objects.get().title
        replay.replay([waiting.id], "ann")
        works(900)
    assert set(Invoice.objects.values_list("state", flat=True)) == {"posted"}
    assert Case.objects.get().resolution == "fixed_by_replay"


def test_a_credit_of_more_than_was_billed_is_told_at_once() -> None:
    sells()
    bills("INV-1", 400_000)
    works()
    bills("CR-1", -100_000)
    works()
    bills("CR-2", -500_000)
    works()
    stuck = Case.objects.get()
    assert (stuck.reason, stuck.business_key) == ("invoice_mismatch", "CR-2")
    # How much was billed, how much of it credited, how much this one takes, and by how much that is too much.
    assert "Invoice CR-2 credits EUR 5,000.00 of PLATFORM before tax. Of order O-1, group emea, EUR 4,000.00 of it is booked as " \
        "billed and EUR 1,000.00 as credited so far: that is EUR 2,000.00 too much" in stuck.text  # fmt: skip
    client = signed_in(boss())
    todo = read(client, f"/cases/{stuck.id}").split("What to do")[1].split("Accounting impact")[0]
    assert "No other invoice of order O-1 waits to be booked, so the credit is too large" in todo
    assert "Find the order" in todo and "dimension" not in todo.lower()


def test_a_credit_whose_invoice_waits_itself_leads_to_that_ones_case() -> None:
    sells()
    bills("INV-1", 400_000, product="NOPE")
    works()
    waits = Case.objects.get(business_key="INV-1")
    bills("CR-1", -400_000)
    for minutes in range(10):
        works(60 * minutes)
    stuck, client = Case.objects.get(business_key="CR-1"), signed_in(boss())
    todo = page(client, f"/cases/{stuck.id}").split("What to do")[1].split("Accounting impact")[0]
    assert "Of the same order INV-1 waits to be booked" in todo and "solve the case of that invoice first" in todo
    assert "Open the case of INV-1" in todo and f'href="/cases/{waits.id}"' in todo
