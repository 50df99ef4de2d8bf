"""What is done to deals and limits: a table of slips with the reason that follows, and limits that are round."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest

from q2c.demo import catalogue, customers, slips
from q2c.demo.credit_limits import DECLINE, REFER, CreditLimits
from q2c.demo.deals import Deal, Salesroom

SINCE = dt.date(2025, 11, 24)


@pytest.fixture
def room() -> Salesroom:
    return Salesroom(customers.accounts(), SINCE)


def american(account: customers.Account) -> bool:
    return account.country == "US"


SLIPS: tuple[tuple[Callable[[Deal], None], set[str]], ...] = (
    (slips.wrong_zip_code, {"Ship_To_Postal_Code__c"}),
    (slips.rounded_amount, {"Contract_Amount__c"}),
    (slips.other_treatment, {"Revenue_Treatment__c"}),
    (slips.gap_between_phases, {"Phases__c"}),
    (slips.two_regions_in_a_group, {"Region__c"}),
)


@pytest.mark.parametrize(("slip", "fields"), SLIPS)
def test_a_slip_changes_what_is_typed_and_nothing_else(
    room: Salesroom, slip: Callable[[Deal], None], fields: set[str]
) -> None:
    deal = room.of_seats(SINCE, american, growing=True)
    right = deal.seed()
    slip(deal)
    wrong = deal.seed()
    assert right.keys() == wrong.keys()
    changed = {
        name for before, after in zip(right["lines"], wrong["lines"], strict=True)
        for name in after if before[name] != after[name]
    }  # fmt: skip
    assert changed == fields
    deal.slips.clear()
    assert deal.seed() == right


def test_limits_are_round_and_only_the_chosen_deals_meet_them(room: Salesroom) -> None:
    deals = room.year(200, 365)
    limits = CreditLimits(room.accounts, deals)
    declined = next(deal for deal in deals if limits.meets(deal, DECLINE))
    referred = [deal for deal in deals if limits.meets(deal, REFER)]
    assert len(referred) > 20
    rows = {row["id"]: row for row in limits.rows()}
    assert rows.keys() == {account.key for account in room.accounts}
    for row in rows.values():
        soft, hard = Decimal(row["soft_limit"]), Decimal(row["hard_limit"])
        assert soft < hard
        assert {soft % 5_000, hard % 5_000} == {0}, row
    (payer,) = limits._amounts(declined)
    assert Decimal(rows[payer]["hard_limit"]) < limits._amounts(declined)[payer]
    raised = limits.raised(payer)
    assert Decimal(raised["soft_limit"]) >= limits._amounts(declined)[payer]
    for deal in referred:
        ((key, amount),) = limits._amounts(deal).items()
        assert Decimal(rows[key]["soft_limit"]) < amount <= Decimal(rows[key]["hard_limit"])
    # Each of the others passes even where nothing before it was billed.
    meeting = {declined.number, *(deal.number for deal in referred)}
    bought: Counter[str] = Counter()
    for deal in sorted(deals, key=lambda deal: deal.closed_on):
        for key, amount in limits._amounts(deal).items():
            bought[key] += amount
            assert deal.number in meeting or bought[key] <= Decimal(rows[key]["soft_limit"]), (deal.number, key)


def test_every_place_that_deals_go_to_has_a_sales_tax() -> None:
    """Oregon has none: nobody would miss a registration there."""
    untaxed = {"OR", "MT", "NH", "DE", "AK"}
    places = {slips.OHIO[2], slips.PENNSYLVANIA[2], *catalogue.US_STATES}
    assert not places & untaxed


def test_the_last_days_stay_out_of_the_years_slips(room: Salesroom) -> None:
    deals = room.year(300, 365)
    before = {deal.number: deal.seed() for deal in deals if (deal.closed_on - SINCE).days >= 350}
    done = slips.Slips(deals, SINCE, 365, random.Random(1))
    done.do()
    wrong = [deal for deal in deals if deal.slips]
    assert 10 < len(wrong) < 30
    assert not {deal.number for deal in wrong} & before.keys()
