"""A cancellation that takes back what is invoiced waits for a second person. ORD-1 runs from October; it is 3 November."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from msgspec.structs import replace

from exceptions import approvals
from exceptions.errors import Refused
from exceptions.models import Approval, Case
from q2c import clock, keys
from q2c.contracts.events import OrderCancelRequested
from q2c.engine import desk, run
from q2c.models import Connection, Order, Step, Subscription
from q2c.reading import approvals as reading
from q2c.stages.asking import PERSON
from q2c.ui import formats
from tests.engine.makers import NOW, order, person
from tests.stages.test_invoices_and_journals import arrives, record
from tests.stages.test_term_of_invoices import serves
from tests.ui.people import boss, read, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def billed(company: Any) -> Order:
    """Billed for October and for November; the subscription is on its way to its end in billing."""
    found = order()
    # As INV-1 and INV-2 are billing's; what another system bills is not credited there.
    Connection.objects.create(
        name="zuora", title="Zuora", vendor="zuora", service="billing", base_url="sandbox://zuora"
    )
    Subscription.objects.create(
        order=found, group="G1", number="S-ORD-1-G1", connection="billing", correlation_id=keys.new_id(),
        entity="DE01", account="ACME-EUR", currency="EUR", starts_on=found.starts_on, ends_on=dt.date(2027, 10, 1),
        provisioned_at=NOW,
    )  # fmt: skip
    record(serves("INV-1", "2026-10-01", "2026-11-01", 31_000), serves("INV-2", "2026-11-01", "2026-12-01", 30_000))
    return found


def ask(day: str, who: str = "sofia") -> None:
    request = OrderCancelRequested(order_number="ORD-1", effective_on=dt.date.fromisoformat(day), reason="withdrawn")
    arrives("OrderCancelRequested", request, f"c-{day}", f"{PERSON}{who}")
    run.drain("cancel_order")


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2020-01-01", "as of 2026-10-01: withdrawn; 2 invoices (INV-1 and INV-2) bill about EUR 610.00 net"),
        ("2026-11-16", "as of 2026-11-16: withdrawn; invoice INV-2 bills about EUR 150.00 net"),
    ],
)
def test_what_is_invoiced_for_days_after_it_is_signed_for(billed: Order, day: str, said: str) -> None:
    sofia, cleo = person("sofia"), person("cleo")
    with clock.at(NOW + dt.timedelta(days=20)):
        ask(day)
    asked = Approval.objects.get()
    assert (asked.action, asked.requested_by) == ("cancellation_approval_required", sofia)
    assert said in asked.reason and "sofia asks to cancel order ORD-1" in asked.reason
    assert Order.objects.get().state != "cancelled"
    with pytest.raises(Refused, match="own request"):
        desk.approve(sofia, [asked.id])
    desk.approve(cleo, [asked.id], "agreed with the customer")
    # It is sent now; there is no billing in this story.
    with clock.at(NOW + dt.timedelta(days=20, minutes=1)):
        run.drain("cancel_order")
    assert Step.objects.get(stage="cancel_order").reason != "cancellation_approval_required"


def test_what_is_signed_is_what_it_takes_away_and_not_the_whole_order(billed: Order) -> None:
    person("sofia")
    with clock.at(NOW + dt.timedelta(days=20)):
        ask("2026-11-16")
    asked = Approval.objects.get()
    assert (asked.amount_minor, asked.currency) == (15_000, "EUR") and billed.total_minor != 15_000
    shown = read(signed_in(boss()), "/approvals")
    assert shown.count("EUR 150.00 to be credited, net") == 3, "on the card and in both dialogs"
    assert formats.amount_text(billed.total_minor, "EUR") not in shown


def test_what_is_taken_away_in_two_currencies_is_no_one_amount(billed: Order) -> None:
    """As one that was asked before the findings said what they are about: no amount is better than the order's."""
    person("sofia")
    with clock.at(NOW + dt.timedelta(days=20)):
        ask("2026-11-16")
    asked, case = Approval.objects.get(), Case.objects.get()
    case.context["findings"][0]["worth"] = [[15_000, "EUR"], [200, "USD"]]
    told = approvals._granted_for(case, {"sent_with": "webshop"})
    assert (told["amount_minor"], told["currency"], told["data"]["sent_with"]) == (None, "", "webshop")
    asked.data = told["data"]
    rosa = boss()
    assert reading.requests(rosa, [asked])[0].worth == [(15_000, "EUR"), (200, "USD")]
    del asked.data["findings"][0]["worth"]
    assert reading.requests(rosa, [asked])[0].worth == []


def test_what_is_issued_and_not_recorded_counts_too(billed: Order) -> None:
    """INV-3 bills December, and has a case of its own: billing would credit it all the same."""
    person("sofia")
    record(replace(serves("INV-3", "2026-12-01", "2027-01-01", 31_000), account="OTHER"))
    assert Case.objects.get().reason == "invoice_mismatch"
    with clock.at(NOW + dt.timedelta(days=30)):
        ask("2026-12-01")
    assert "invoice INV-3 bills about EUR 310.00 net" in Approval.objects.get().reason


def test_refused_the_request_has_ended_and_the_order_goes_on(billed: Order) -> None:
    person("sofia")
    ask("2026-10-15")
    desk.refuse(person("cleo"), [Approval.objects.get().id], "they stay until December")
    assert (Case.objects.get().state, Step.objects.get(stage="cancel_order").state) == (
        "closed_without_fix",
        "abandoned",
    )
    assert Order.objects.get().state != "cancelled"


def test_what_is_not_invoiced_yet_needs_no_signature(billed: Order) -> None:
    with clock.at(NOW + dt.timedelta(days=30)):
        ask("2026-12-01")
    assert not Approval.objects.exists()
