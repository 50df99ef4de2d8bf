"""Contracts that began before they came here: what runs on is taken, what is over is not. Monday is 5 January 2026."""

from __future__ import annotations

import pytest

from q2c.models import Order
from tests.stages.conftest import Desk
from tests.stages.test_acceptance import seats

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_contract_that_began_last_year_and_runs_on_is_taken_and_one_that_is_over_is_not(desk: Desk) -> None:
    """As when contracts are brought in from elsewhere, with their own dates."""
    since = {"closed_on": "2025-01-10", "starts_on": "2025-02-01"}
    desk.comes("1", order_number="RUNS", **since)
    desk.comes("2", order_number="IS-OVER", term_months=11, **since, **seats(10, amount_minor=1_100_000))
    desk.works()
    assert dict(Order.objects.values_list("number", "state")) == {"RUNS": "accepted", "IS-OVER": "received"}
    assert (desk.case.reason, desk.case.field, desk.case.text) == (
        "term_invalid", "/term_months", "The term of 11 months from 2025-02-01 was over on 2026-01-01",
    )  # fmt: skip
