"""What billing has cancelled of an order that goes on is worth nothing, by any filter, on the list and in its file.

O-1 is worth USD 5,500.00 in Germany and USD 4,020.00 in Japan, which is cancelled; O-2 waits for a rate with EUR
5,000.00; O-3 stands with EUR 149,000.00.
"""

from __future__ import annotations

import csv
import io
import itertools
from typing import Any

import pytest

from q2c import states
from q2c.models import Order, Subscription
from tests import flow_makers as make
from tests.ui.people import boss, read
from tests.ui.test_order_currencies import _noon, sold

__all__ = ["_noon", "sold"]
pytestmark = pytest.mark.django_db
STAGES = ("sync_customer", "provision_billing", "activate_subscription")


@pytest.fixture
def cut(sold: dict[str, Order], client: Any) -> None:
    for _ in itertools.takewhile(bool, (sum(map(make.run, STAGES)) for _ in itertools.count())):
        pass
    gone = Subscription.objects.filter(currency="JPY")
    assert len(states.move(Subscription, "cancel", list(gone.values_list("id", flat=True)))) == 1
    client.force_login(boss())


def file(client: Any, query: str) -> dict[str, tuple[str, str]]:
    answer = client.get(f"/orders?format=csv&{query}")
    rows = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig")))
    return {row["order"]: (row["worth"], row["cancelled"]) for row in rows}


@pytest.mark.parametrize("query", ["", "q=O-", "entity=US01", "since=2026-11-01"])
def test_what_is_cancelled_of_an_order_is_told_beside_what_orders_are_worth(client: Any, cut: None, query: str) -> None:
    said = " ".join(read(client, f"/orders?{query}").split("Worth")[1].split())
    worth, cancelled = said.split("without what was rejected or cancelled Cancelled")
    assert worth.strip() in ("EUR 154,000.00 USD 5,500.00", "EUR 154,000.00USD 5,500.00")
    assert cancelled.startswith("USD 4,020.00 as it was sold")
    assert file(client, query) == {
        "O-1": ("5500.00", "4020.00"), "O-2": ("5000.00", "0.00"), "O-3": ("149000.00", "0.00"),
    }  # fmt: skip


def test_its_tab_says_so_and_of_an_order_that_ended_it_is_told_once(client: Any, cut: None) -> None:
    order = Order.objects.get(number="O-1")
    said = " ".join(read(client, f"/orders?state={order.state}&q=O-1").split("Worth")[1].split())
    assert said.startswith("USD 5,500.00") and "Cancelled USD 4,020.00" in said.replace("CancelledUSD", "Cancelled USD")
    states.move(Order, "cancel", [order.id])
    told = " ".join(read(client, "/orders?q=O-1").split())
    assert "USD 9,520.00 as it was sold" in told and "Worth" not in told
    assert file(client, "q=O-1") == {"O-1": ("0.00", "9520.00")}
