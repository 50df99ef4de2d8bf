"""What was done is undone: an order is cancelled before its second phase, a posted journal is mirrored.

9 Mar 2026   Leeds Railways buys seats that grow after six months, and a day of training.
9 Mar        Both are billed and posted.
20 Mar       The training did not take place: its journal is reversed, once a controller has signed that.
1 Apr        The customer withdraws as of the 9th: then the order is cancelled, and what had not begun never begins.

Or: the year is paid in advance, the customer leaves on 9 June, and is credited the days not used.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from exceptions.models import Approval, Case
from ledger.models import JournalEntry
from q2c import clock
from q2c.demo.deals import Deal, Line
from q2c.demo.people import user
from q2c.engine import desk
from q2c.engine.intake import Item, Sender, take
from q2c.models import Event, Invoice, Step, Subscription
from q2c.reading import billing_now
from tests.scenarios.conftest import LEEDS, Story, booked, entry, order

pytestmark = pytest.mark.django_db(transaction=True)


def tell(type_: str, id_: str, **data: Any) -> str:
    """A fact from the back office, as the API takes it. Returns what became of it."""
    attributes = {
        "specversion": "1.0", "id": id_, "source": "back-office", "type": type_, "time": clock.now().isoformat(),
    }  # fmt: skip
    item = Item(body=msgspec.json.encode(data), attributes=attributes, content_type="application/json")
    (taken,) = take([item], Sender(system="back-office", actor="api:back-office"))
    return taken.status


def sign(count: int) -> None:
    """A controller signs what is asked for."""
    asked = list(Approval.objects.filter(state="requested").values_list("id", flat=True))
    assert len(asked) == count
    assert desk.approve(user("dmitri"), asked, "as agreed").done == asked


@pytest.fixture
def sold(story: Story) -> str:
    """The number of the invoice that billed seats and training."""
    with story.on("2026-03-09"):
        story.close(
            Deal(
                number="SO-3001", customer=LEEDS, closed_on=dt.date(2026, 3, 9), starts_on=dt.date(2026, 3, 9),
                months=12, contract_entity="UK", currency="GBP", groups={"UK": LEEDS},
                lines=[
                    Line(product="PLATFORM", group="UK", quantity=20, frequency="monthly", phases=((6, 20), (6, 50))),
                    Line(product="TRAINING", group="UK", quantity=1),
                ],
            )
        )  # fmt: skip
        (number,) = story.bill()
    assert entry(number).state == "posted"
    return number


def test_a_cancelled_order_is_cancelled_in_billing_and_bills_no_more(story: Story, sold: str) -> None:
    with story.on("2026-04-01"):
        said = tell(
            "OrderCancelRequested", "c-1", order_number="SO-3001", effective_on="2026-04-09", reason="withdrawn"
        )
        assert said == "stored"
        story.flow.work()
        assert order("SO-3001").state == "active"
    with story.on("2026-04-09"):
        story.flow.work()
        assert order("SO-3001").state == "cancelled"
        assert Subscription.objects.get().state == "cancelled"
        # The second phase was to begin in September.
        assert Step.objects.filter(stage="activate_subscription", state="abandoned").count() == 1
        assert Event.objects.filter(type="OrderCancelled").count() == 1
        said = tell(
            "OrderCancelRequested", "c-1", order_number="SO-3001", effective_on="2026-04-09", reason="withdrawn"
        )
        assert said == "duplicate"
    with story.on("2026-12-01"):
        for number in story.bill():
            # Up to the day on which it ends, and not a day longer.
            assert Invoice.objects.get(number=number).issued_on < dt.date(2026, 4, 10)
    assert not Step.objects.filter(state__in=("failed", "waiting")).exists()


def test_what_was_billed_ahead_of_a_cancellation_is_credited_to_the_cent(story: Story) -> None:
    with story.on("2026-03-09"):
        story.close(
            Deal(
                number="SO-3002", customer=LEEDS, closed_on=dt.date(2026, 3, 9), starts_on=dt.date(2026, 3, 9),
                months=12, contract_entity="UK", currency="GBP", groups={"UK": LEEDS},
                lines=[
                    Line(product="PLATFORM", group="UK", quantity=20, frequency="annual"),
                    Line(product="TRAINING", group="UK", quantity=1),
                ],
            )
        )  # fmt: skip
        (ahead,) = story.bill()
    with story.on("2026-06-09"):
        tell("OrderCancelRequested", "c-2", order_number="SO-3002", effective_on="2026-06-09", reason="left")
        story.flow.work()
        # Money goes back, so a second person signs.
        assert order("SO-3002").state == "active"
        sign(1)
        story.flow.work()
        assert order("SO-3002").state == "cancelled"
        (credit,) = story.bill()
    seats = Invoice.objects.get(number=ahead).lines.get(product="PLATFORM")
    (back,) = Invoice.objects.get(number=credit).lines.all()
    # 273 of 365 days, with the tax on them; the day of training was held and stays billed.
    assert (back.product, back.net_minor) == ("PLATFORM", -round(seats.net_minor * 273 / 365))
    assert seats.tax_minor * 5 == seats.net_minor and back.tax_minor == round(back.net_minor / 5)
    mirrored = {code: -minor for code, minor in booked(credit).items()}
    kept = booked(ahead)
    assert mirrored.keys() <= kept.keys() and sum(mirrored.values()) == 0
    assert all(0 < mirrored[code] / kept[code] <= 0.75 for code in mirrored), (mirrored, kept)
    assert (entry(credit).state, len(story.documents())) == ("posted", 2)
    with story.on("2026-12-01"):
        assert story.bill() == []
    assert not Step.objects.filter(state__in=("failed", "waiting")).exists()


def test_two_people_ask_at_once_and_one_mirror_is_posted(story: Story, sold: str) -> None:
    with story.on("2026-03-20"):
        asked = {"journal_id": str(entry(sold).id), "effective_on": "2026-03-20", "reason": "training not held"}
        for name in ("r-1", "r-2"):
            assert tell("JournalReversalRequested", name, **asked) == "stored"
        story.flow.work()
        sign(2)
        story.flow.work()
    original = entry(sold)
    assert (original.state, JournalEntry.objects.get(reverses=original).state) == ("reversed", "posted")
    assert len(story.documents()) == 2
    assert not Step.objects.filter(state__in=("failed", "waiting"), stage__endswith="_journal").exists()


def test_a_posted_journal_is_reversed_once_by_its_mirror(story: Story, sold: str) -> None:
    before = booked(sold)
    with story.on("2026-03-20"):
        asked = {"journal_id": str(entry(sold).id), "effective_on": "2026-03-20", "reason": "training not held"}
        assert tell("JournalReversalRequested", "r-1", **asked) == "stored"
        story.flow.work()
        assert entry(sold).state == "posted", "a second person decides"
        sign(1)
        story.flow.work()
        original = entry(sold)
        mirror = JournalEntry.objects.get(reverses=original)
        assert (original.state, mirror.state) == ("reversed", "posted")
        assert {line.account.code: -line.amount_minor for line in mirror.lines.select_related("account")} == before
        assert Event.objects.filter(type="JournalReversed").count() == 1
        assert len(story.documents()) == 2
        assert mirror.document_number != original.document_number

        assert tell("JournalReversalRequested", "r-2", **asked) == "stored"
        story.flow.work()
        # A second request finds the first one's mirror, and sends nothing.
        assert set(Step.objects.filter(stage="reverse_journal").values_list("state", flat=True)) == {"done"}
        assert JournalEntry.objects.filter(reverses=original).count() == 1
        assert len(story.documents()) == 2


@pytest.mark.parametrize("status", ["Canceled", "Reversed"])
def test_an_invoice_that_billing_takes_back_is_told_once_to_those_who_reverse_it(
    story: Story, sold: str, status: str
) -> None:
    with story.on("2026-03-11", "10:00"):
        story.platforms.change("zuora", "invoice", sold, status=status)
        story.flow.poll("zuora")
        story.flow.work()
    case = Case.objects.get()
    invoice = Invoice.objects.get()
    assert (case.reason, case.owner_team_id, case.business_key) == ("invoice_taken_back", "controllers", sold)
    assert (case.amount_minor, case.currency, case.entity) == (-invoice.total_minor, "GBP", "UK")
    assert status in case.text and billing_now.what_to_do(case).startswith("Reverse its journal:")
    with story.on("2026-03-12", "10:00"):
        story.platforms.change("zuora", "invoice", sold, comments="seen")
        story.flow.poll("zuora")
    assert (Case.objects.get().attempts, entry(sold).state) == (1, "posted")
    with story.on("2026-03-13", "10:00"):
        story.platforms.change("zuora", "invoice", sold, status="Posted")
        story.flow.poll("zuora")
        story.flow.work()
    assert Case.objects.get().state == "resolved"


def test_an_invoice_that_was_never_recorded_and_is_cancelled_is_nothing(story: Story, sold: str) -> None:
    with story.on("2026-04-09", "10:00"):
        (number,) = story.platforms.control("zuora", "bill-run", {"until": "2026-04-09"})["invoiceNumbers"]
        story.platforms.change("zuora", "invoice", number, status="Canceled")
        story.flow.poll("zuora")
        story.flow.work()
    assert not Case.objects.exists()
    assert list(Invoice.objects.values_list("number", flat=True)) == [sold]
