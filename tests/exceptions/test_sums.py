"""Sums of what failed are of any size: one system's orders, absurd as they are, break nobody's queue."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from exceptions import casework, problems, tallies
from exceptions.models import Case
from q2c.engine import desk as cases
from q2c.models import ApiKey, tally
from tests.api.conftest import Caller
from tests.engine.makers import person
from tests.intake.documents import order as document
from tests.stages.conftest import Desk, desk  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)
# Ten of them are more than a bigint holds.
WORTH = 10**18


def huge(number: str) -> dict[str, Any]:
    """A thousand lines at the highest amount that a line may have, whose arithmetic is wrong."""
    line = {
        "product": "P-SETUP", "group": "us", "kind": "one_time", "quantity": "1", "unit_price": "1",
        "price_period": "once", "amount_minor": 10**15, "billing": {"frequency": "once"},
        "revenue_treatment": "point_in_time",
    }  # fmt: skip
    return document(order_number=number, lines=[line | {"line": i} for i in range(1, 1001)])


def test_ten_absurd_orders_are_claimed_counted_and_closed(desk: Desk) -> None:  # noqa: F811
    caller = Caller(ApiKey.make("webshop", ["q2c.add_order"], created_by=person("carla"))[1])
    for number in range(10):
        assert caller.post("/api/v1/orders", huge(f"B-{number}"), "application/json").status_code == 422
    ids = list(Case.objects.values_list("id", flat=True))
    assert set(Case.objects.values_list("amount_minor", flat=True)) == {WORTH}
    boss = get_user_model().objects.create_superuser("boss", password="a long enough word")
    assert sorted(casework.claim(boss, ids).done) == sorted(ids)
    tallies.fold()
    tally.fold()
    ((_, totals),) = problems.cards(boss)
    assert totals.amounts == {"USD": 10 * WORTH}
    assert [row["amount_minor"] for row in tallies.blocking(boss)] == [10 * WORTH]
    browser = Client()
    browser.force_login(boss)
    for address in ("/", "/queue", "/queue?tab=mine", "/problems", "/orders"):
        assert browser.get(address, follow=True).status_code == 200
    metrics = browser.get("/metrics").content.decode()
    assert 'figure_failed{figure="cases"} 0.0' in metrics or 'figure="cases"' not in metrics
    assert [line for line in metrics.splitlines() if line.startswith("q2c_cases_open_amount_minor") and "1e+19" in line]
    closed = cases.close_without_fix(boss, ids, "none of our orders", "test_data")
    assert len(closed.done) == len(ids)
