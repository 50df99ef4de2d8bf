"""Seven weeks of the demo company, come to rest: some undone, some given up, some still somebody's case."""

from __future__ import annotations

import datetime as dt

import msgspec

from exceptions.models import Approval
from ledger.models import JournalEntry
from q2c import clock
from q2c.demo.people import user
from q2c.demo.year import Year
from q2c.engine import desk, requests
from q2c.engine.intake import Item, Sender, take
from q2c.models import Breaker, Order

ENDS_AT = dt.datetime(2026, 11, 25, 13, tzinfo=dt.UTC)
AT_REST = ENDS_AT + dt.timedelta(hours=2)
DAYS = 50


def told() -> list[str]:
    """Lives it. Returns the ids of what a back office was answered as taken."""
    year = Year(ENDS_AT, say=lambda line: None, days=DAYS)
    year.found()
    year.live()
    year.platforms.no_fault("credit")
    with year.flow.at(ENDS_AT + dt.timedelta(hours=1)):
        answered = _undo()
        year.flow.work()
        _sign()
        year.flow.work()
    for minutes in (70, 80, 90):
        with year.flow.at(ENDS_AT + dt.timedelta(minutes=minutes)):
            year.flow.sweep()
            year.flow.work()
            _bill(year)
    year.platforms.move_clocks(None)
    assert not Breaker.objects.filter(opened_at__isnull=False).exists()
    return answered


def _undo() -> list[str]:
    """An order is cancelled as of today, and a posted journal of an older month's end is mirrored."""
    order = Order.objects.filter(state="active", starts_on__lt=clock.today()).earliest("accepted_at")
    data = {"order_number": order.number, "effective_on": clock.today().isoformat(), "reason": "left"}
    attributes = {
        "specversion": "1.0", "id": "leaves", "source": "back-office", "type": "OrderCancelRequested",
        "time": clock.now().isoformat(),
    }  # fmt: skip
    item = Item(body=msgspec.json.encode(data), attributes=attributes, content_type="application/json")
    (taken,) = take([item], Sender(system="back-office", actor="api:back-office"))
    assert taken.status == "stored"
    others = JournalEntry.objects.filter(state="posted", entity__code="US").exclude(customer=order.payer_key)
    requests.reverse_journal(user("carla"), others.latest("effective_on", "number"), clock.today(), "billed in error")
    return ["leaves"]


def _sign() -> None:
    asked = Approval.objects.filter(state="requested", case__stage__in=("cancel_order", "reverse_journal"))
    desk.approve(user("dmitri"), list(asked.values_list("id", flat=True)), "as agreed")


def _bill(year: Year) -> None:
    """What the cancellation gives back is billed, booked and posted like any other."""
    year.platforms.control("zuora", "bill-run", {"until": clock.today().isoformat()})
    year.flow.poll("zuora")
    year.flow.work()
