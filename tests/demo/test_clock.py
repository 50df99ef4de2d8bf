"""With the clock moved, nothing that is kept carries the machine's time: neither moves nor versions."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from ledger import periods
from ledger.models import FiscalPeriod, LegalEntity
from q2c import clock
from q2c.engine import intake
from q2c.engine.envelope import Item, Sender
from q2c.models import Customer, Step, Transition
from tests import flow_makers

pytestmark = pytest.mark.django_db(transaction=True)

THEN = dt.datetime(2026, 3, 9, 10, tzinfo=dt.UTC)


def test_a_step_that_intake_makes_begins_when_its_event_came_and_by_whom() -> None:
    with clock.at(THEN):
        flow_makers.company()
        document = flow_makers.order_document("SO-1")
        attributes = {
            "specversion": "1.0", "id": "1", "source": "shop", "type": "OrderReceived", "time": THEN.isoformat(),
        }  # fmt: skip
        item = Item(body=msgspec.json.encode(document), attributes=attributes, content_type="application/json")
        (taken,) = intake.take([item], Sender(system="shop", actor="api:shop"))
    step = Step.objects.get(event=taken.event_id)
    (first,) = Transition.objects.filter(record_id=step.id)
    assert (first.at, first.actor) == (THEN, "api:shop")


def test_versions_of_master_data_are_dated_by_the_same_clock() -> None:
    with clock.at(THEN):
        flow_makers.company()
        customer = Customer.objects.create(key="A-1", name="Acme")
        period = FiscalPeriod.objects.filter(entity=LegalEntity.objects.first(), state="open").order_by("starts_on")[0]
        periods.close(period, by="carla", why="month-end close")
    assert customer.history.get().history_date == THEN
    assert period.history.order_by("-history_date")[0].history_date == THEN
