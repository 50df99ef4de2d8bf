"""An order is completed once its term is over and all of it is billed; until then it stays active."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ledger import journal
from ledger.models import JournalEntry
from q2c import clock, states
from q2c.models import Invoice, Order, Subscription, Transition
from q2c.stages import commitments, completed
from q2c.stages.controls.calendar import add_months
from tests import flow_makers as flow
from tests.past_guards import past_guards
from tests.ui.people import boss, read

pytestmark = pytest.mark.django_db


@pytest.fixture
def sold(books: Any) -> Order:
    """Two years of the platform and its set-up; the fee and a third of the platform are billed."""
    flow.company()
    return flow.through("O-1", "INV-1")


def bills_the_rest(order: Order) -> None:
    """In two invoices, each rounded down by a cent."""
    platform = next(line.amount_minor for line in order.lines.all() if line.product == "PLATFORM")
    left = platform - platform // 3 - 1
    for number, net in (("INV-2", left // 2), ("INV-3", left - left // 2)):
        day = add_months(order.starts_on, 12 if number == "INV-3" else 6)
        with clock.at(dt.datetime.combine(day, dt.time(12), dt.UTC)):
            flow.bill(order, number, net, issued_on=day)
            flow.run("record_invoice")
    assert Invoice.objects.count() == 3


def after(order: Order, days: int) -> Any:
    over = dt.datetime.combine(add_months(order.starts_on, order.term_months), dt.time(12), dt.UTC)
    return clock.at(over + dt.timedelta(days=days))


def test_an_order_that_is_over_and_billed_is_completed(sold: Order) -> None:
    bills_the_rest(sold)
    with after(sold, completed.USAGE_DAYS):
        assert completed.complete() == 0, "somewhere its last usage is still to be billed"
    with after(sold, completed.USAGE_DAYS + 1):
        assert (completed.complete(), completed.complete()) == (1, 0)
    assert Order.objects.get().state == "completed"
    assert set(Subscription.objects.values_list("state", flat=True)) == {"expired"}
    told = Transition.objects.get(record_id=sold.id, target="completed")
    assert (told.actor, told.why) == ("q2c", "its term is over and all of it is billed")


def test_without_usage_the_end_of_the_term_is_the_end(sold: Order) -> None:
    bills_the_rest(sold)
    with past_guards():
        sold.lines.filter(kind="usage").delete()
    with after(sold, 0):
        assert completed.complete() == 0, "somewhere its last day still runs"
    with after(sold, 1):
        assert completed.complete() == 1


def test_what_is_not_billed_keeps_it_active(sold: Order) -> None:
    with after(sold, 90):
        assert completed.complete() == 0
        # Nobody is going to be billed for it by itself any more, so it counts for no credit either.
        assert commitments.unbilled([sold.groups.get().bill_to]) == {}


def test_an_invoice_that_was_taken_back_is_not_billed(sold: Order) -> None:
    bills_the_rest(sold)
    journal.supersede([JournalEntry.objects.get(business_document="invoice:INV-2").id])
    with after(sold, 90):
        states.move(Invoice, "void", [Invoice.objects.get(number="INV-2").id])
        assert completed.complete() == 0


def test_a_cancelled_order_stays_cancelled(sold: Order) -> None:
    bills_the_rest(sold)
    states.move(Order, "cancel", [sold.id])
    with after(sold, 90):
        assert completed.complete() == 0


def test_all_is_billed_once_no_invoice_is_to_come_whatever_its_term_has_left(sold: Order) -> None:
    with past_guards():
        sold.lines.filter(kind="usage").delete()
    assert not completed.is_all_billed(sold)
    bills_the_rest(sold)
    assert completed.is_all_billed(sold)


def test_what_is_used_is_billed_to_the_end_of_the_term(sold: Order) -> None:
    bills_the_rest(sold)
    assert not completed.is_all_billed(sold)


def test_its_page_says_that_all_is_billed_and_not_until_when_billing_goes_on(client: Any, sold: Order) -> None:
    client.force_login(boss())
    assert "Billing issues invoices as they fall due, until" in read(client, f"/orders/{sold.id}")
    with past_guards():
        # Of one-time charges alone, as a training is.
        sold.lines.exclude(kind="one_time").delete()
    text = " ".join(read(client, f"/orders/{sold.id}").replace("\xa0", " ").split())
    assert "All that it sold is billed. Its term ends" in text and "as they fall due" not in text
