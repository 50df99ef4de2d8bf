"""What usage comes to by its order's terms: tiers beyond what is included, once in each billing period."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from q2c.connectors.zuora import orders
from q2c.connectors.zuora.sandbox import periods
from q2c.contracts.documents import Billing, PriceTier, SubscriptionCharge, UsageTerms
from q2c.stages import rating

STEPS = (PriceTier(up_to="1000", unit_price="0.10"), PriceTier(up_to="3000", unit_price="0.05", flat_fee="7"),
         PriceTier(unit_price="0.02"))  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "quantity", "cost"),
    [
        ({"included_quantity": "500"}, 500, "0"),
        ({"included_quantity": "500"}, 501, "0.10"),
        ({"included_quantity": "500"}, 1500, "100"),
        # 100 of the first tier, 500 at 0.05 and the second tier's fee.
        ({}, 1500, "132"),
        # 100, 100 and its fee, and 1,000 at 0.02.
        ({}, 4000, "227"),
        ({"model": "volume"}, 1000, "100"),
        ({"model": "volume"}, 1001, "57.05"),
        ({"model": "volume"}, 4000, "80"),
        ({"model": "volume"}, 0, "0"),
    ],
)
def test_tiers_begin_beyond_what_is_included(terms: dict[str, Any], quantity: int, cost: str) -> None:
    assert rating.worth(UsageTerms(meter="calls", tiers=STEPS, **terms), Fraction(quantity)) == Fraction(cost)


@pytest.mark.parametrize("seed", range(40))
def test_it_is_what_billing_is_told_and_makes_of_it(seed: int) -> None:
    """Zuora's own rating of the tiers that we send it."""
    chance = random.Random(seed)
    model = chance.choice(["graduated", "volume"])
    ends = sorted(chance.sample(range(1, 5_000), chance.randint(0, 3)))
    tiers = tuple(
        PriceTier(up_to=end and str(end), unit_price=price, flat_fee=fee)
        for end in (*ends, None)
        for price, fee in [chance.choice([(f"0.{chance.randint(1, 999):03}", "0"), ("0", str(chance.randint(1, 50)))])]
    )
    included = str(chance.choice([0, chance.randint(1, 2_000)])) if model == "graduated" else "0"
    terms = UsageTerms(meter="calls", included_quantity=included, model=model, tiers=tiers)  # type: ignore[arg-type]
    charge = SubscriptionCharge(
        line=1, product="API-CALLS", kind="usage", phase=1, starts_on=dt.date(2026, 1, 1), ends_on=dt.date(2027, 1, 1),
        months=12, quantity=Decimal(1), unit_price=Decimal(0), price_period="once", amount_minor=0,
        billing=Billing(frequency="monthly"), usage=terms,
    )  # fmt: skip
    _, _, pricing = orders._usage_pricing(charge)
    for quantity in (0, 1, *ends, *(end + 1 for end in ends), chance.randint(1, 9_000)):
        assert rating.worth(terms, Fraction(quantity)) == periods.rate(pricing, Fraction(quantity))


@pytest.mark.parametrize(
    ("billing", "starts", "ends", "found"),
    [
        (Billing(frequency="monthly"), "2026-10-05", "2026-10-10", ("2026-09-15", "2026-10-15", 1)),
        (Billing(frequency="monthly"), "2026-09-15", "2026-10-15", ("2026-09-15", "2026-10-15", 1)),
        # Billing's own months: they fill none.
        (Billing(frequency="monthly"), "2026-10-01", "2026-11-01", ("2026-09-15", "2026-11-15", 1)),
        (Billing(frequency="monthly"), "2026-09-15", "2026-12-15", ("2026-09-15", "2026-12-15", 3)),
        (Billing(frequency="quarterly"), "2026-12-01", "2027-01-01", ("2026-11-15", "2027-02-15", 1)),
        (Billing(frequency="annual"), "2027-07-01", "2027-08-01", ("2026-08-15", "2027-08-15", 1)),
        (Billing(frequency="once"), "2026-10-01", "2026-10-02", ("2026-08-15", "2028-08-15", 1)),
        (Billing(frequency="monthly", alignment="calendar_month"), "2026-08-15", "2026-09-01", ("2026-08-15", "2026-09-01", 1)),
        (Billing(frequency="monthly", alignment="calendar_month"), "2026-10-05", "2026-10-06", ("2026-10-01", "2026-11-01", 1)),
        (Billing(frequency="quarterly", alignment="calendar_month"), "2026-10-05", "2026-10-06", ("2026-09-01", "2026-12-01", 1)),
        (Billing(frequency="monthly"), "2028-07-15", "2028-08-15", ("2028-07-15", "2028-08-15", 1)),
    ],
)  # fmt: skip
def test_the_billing_period_of_days(billing: Billing, starts: str, ends: str, found: tuple[str, str, int]) -> None:
    start, end = dt.date(2026, 8, 15), dt.date(2028, 8, 15)
    agreed = rating.Agreed(1, start, end, start, billing, UsageTerms(tiers=STEPS))
    first, last, filled = agreed.periods(dt.date.fromisoformat(starts), dt.date.fromisoformat(ends))
    assert (first.isoformat(), last.isoformat(), filled) == found


def test_a_contract_of_the_31st_has_a_period_for_each_of_its_months() -> None:
    start = dt.date(2026, 8, 31)
    agreed = rating.Agreed(1, start, dt.date(2027, 8, 31), start, Billing(frequency="monthly"), UsageTerms(tiers=STEPS))
    assert agreed.periods(dt.date(2027, 2, 1), dt.date(2027, 2, 2))[:2] == (dt.date(2027, 1, 31), dt.date(2027, 2, 28))
    assert agreed.periods(dt.date(2027, 3, 1), dt.date(2027, 3, 2))[:2] == (dt.date(2027, 2, 28), dt.date(2027, 3, 31))
