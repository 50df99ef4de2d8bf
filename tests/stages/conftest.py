"""Stages told as short stories: the small company of the intake, or Tern Systems with its five sandboxes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from exceptions.models import Approval, Case
from q2c import clock
from q2c.connectors import registry
from q2c.engine import run, wake
from q2c.engine.intake import Item, Sender, take
from q2c.models import Event, Order, Step
from q2c.stages import STAGES
from tests.connectors.control import Control
from tests.engine.conftest import books, committed, company  # noqa: F401
from tests.intake import company as shop
from tests.intake.documents import order as document
from tests.scenarios.conftest import story  # noqa: F401

MONDAY = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)


class Desk:
    """Sales ops of a small company on Monday, 5 January 2026: one entity, two products, tax and credit as sandboxes."""

    def __init__(self) -> None:
        shop.found()
        self.tax, self.credit = shop.services()

    def comes(self, id_: str = "v1", **changes: Any) -> str:
        """A deal arrives; returns what became of it."""
        return tell("OrderReceived", id_, "webshop", document(**changes))

    def works(self) -> int:
        return run.drain("accept_order")

    def waits(self, minutes: float) -> Any:
        """So long after Monday at nine."""
        return clock.at(MONDAY + dt.timedelta(minutes=minutes))

    @property
    def order(self) -> Order:
        return Order.objects.get()

    @property
    def step(self) -> Step:
        """Of the newest version."""
        return Step.objects.filter(stage="accept_order").latest("seq")

    @property
    def case(self) -> Case:
        return Case.objects.latest("opened_at")

    def asked(self) -> Approval:
        """The one open request."""
        return Approval.objects.get(state="requested")

    def emitted(self) -> list[str]:
        return emitted("accept_order")


def tell(type_: str, id_: str, source: str, data: Any) -> str:
    """A fact arrives by the door that all facts take."""
    attributes = {"specversion": "1.0", "id": id_, "source": source, "type": type_, "time": clock.now().isoformat()}
    body = json.dumps(data).encode()
    item = Item(body=body, attributes=attributes, content_type="application/json")
    (taken,) = take([item], Sender(system=source, actor=f"api:{source}"))
    return taken.status


def emitted(stage: str) -> list[str]:
    """The types of the events that steps of a stage emitted, in order; each is one that its row names."""
    keys = set(Step.objects.filter(stage=stage).values_list("key", flat=True))
    mine = [
        event.type for event in Event.objects.filter(source="q2c").order_by("id")
        if event.source_id.partition(":")[0] in keys
    ]  # fmt: skip
    assert set(mine) <= set(STAGES[stage].emits)
    return mine


@pytest.fixture
def desk(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(wake, "send", None)
    monkeypatch.setattr(wake, "call", None)
    registry.close_all()
    with clock.at(MONDAY):
        made = Desk()
        yield made
    for each in (Control("avatax"), Control("credit")):
        each.calm()
    registry.close_all()
