"""What a system may not tell of an invoice stands for nothing that another told of it.

The back office told of INV-1, EUR 1,390.00, so that it could not be read, and two people gave it up; then the web shop,
which has no right to, tells of INV-1 with EUR 1.00.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from exceptions.models import Case
from q2c import clock
from q2c.engine import intake
from q2c.engine.envelope import Item, Sender
from q2c.reading import given_up
from tests.stages.test_counted_once import boss
from tests.stages.test_given_up import give_up
from tests.stages.test_given_up_unread import SOUND_AS_SENT, send

__all__ = ["boss"]
pytestmark = pytest.mark.django_db


def shop_sends(number: str) -> None:
    line = SOUND_AS_SENT["lines"][0] | {"net_minor": 100, "tax_minor": 0}
    changes = {"invoice_number": number, "billing_reference": "shop-1", "lines": [line], "total_minor": 100}
    document = {name: value for name, value in (SOUND_AS_SENT | changes).items() if value is not None}
    attributes = {"specversion": "1.0", "id": "s-1", "source": "webshop", "type": "InvoiceIssued"}
    item = Item(body=msgspec.json.encode(document), attributes=attributes, content_type="application/json")
    (taken,) = intake.take([item], Sender(system="webshop", actor="api:webshop", may=lambda right: False))
    assert [fault.code for fault in taken.faults] == ["forbidden"]


def test_the_difference_of_what_was_given_up_stays(company: Any, boss: Any) -> None:
    send("e-1", account=5)
    give_up(Case.objects.get(), "other")
    with clock.at(clock.now() + dt.timedelta(minutes=5)):
        shop_sends("INV-1")
        told = given_up.by_month(boss, [("DE01", "2026-10")])["DE01", "2026-10"]
    assert [(one.number, one.amount_minor) for one in told.found["invoice"]] == [("INV-1", 139_000)]
