"""Deals are measured by the price list: what waits for it, what frees them, and that it says one thing on any day.

A seat is sold at 100.00 a month; discounts up to 20 % need nobody. Stories of Monday, 5 January 2026.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from exceptions.models import Offer
from q2c import roles
from q2c.engine import desk as cases
from q2c.engine import replay
from q2c.models import ListPrice, Product
from tests.engine.makers import person
from tests.stages.conftest import Desk
from tests.stages.test_acceptance import discounted, seats

pytestmark = pytest.mark.django_db(transaction=True)
SINCE = dt.date(2025, 1, 1)


def asks(unit_price: str, **changes: Any) -> ListPrice:
    """The price list asks so much for a seat, in dollars a month from 2025 on."""
    given = {"currency": "USD", "price_period": "month", "effective_from": SINCE} | changes
    return ListPrice.objects.create(
        product=Product.objects.get(code="P-SEATS"), unit_price=Decimal(unit_price), **given
    )  # fmt: skip


def test_half_the_list_price_waits_for_a_second_person_wherever_the_discount_stands(desk: Desk) -> None:
    asks("200")
    desk.comes(**seats(10, list_price="0.01"))
    desk.works()
    assert (desk.order.state, desk.case.reason) == ("awaiting_approval", "discount_approval_required")
    assert desk.case.text == "Line 1 is sold 50 % below its list price; 20 % need no approval"
    measure = desk.asked().data["findings"][0]["measure"]
    assert measure["amounts"] == [
        ["List price", 2_400_000, "USD"], ["Discount", 1_200_000, "USD"], ["Sold for", 1_200_000, "USD"],
    ]  # fmt: skip
    cases.approve(person("bea"), [desk.asked().id], "strategic account")
    desk.works()
    assert desk.order.state == "accepted"


def test_without_a_price_list_only_what_is_called_a_discount_is_one(desk: Desk) -> None:
    desk.comes(**seats(10))
    desk.works()
    assert desk.order.state == "accepted"


def test_a_list_price_that_is_added_offers_what_waited_for_it(desk: Desk) -> None:
    asks("92", currency="EUR")
    desk.comes(**seats(10))
    desk.works()
    assert (desk.order.state, desk.case.reason) == ("awaiting_approval", "list_price_missing")
    assert desk.case.text == (
        "Line 1 sells P-SEATS at a price of USD per month; on 2026-01-05 its price list has EUR per month"
    )
    assert desk.case.blocker == ("", "list_price", "USD:month:P-SEATS", "missing")
    asks("100", price_period="year")
    asks("100", currency="GBP")
    assert not Offer.objects.exists()
    asks("100")
    offer = Offer.objects.get(state="open")
    assert offer.title == (
        "1 case, USD 12,000.00, can be replayed: list price of P-SEATS (USD, month) is there now"
    )  # fmt: skip
    ann = person("ann")
    batch = cases.take_offer(ann, offer.id)
    assert [item.preview["passes"] for item in batch.items.all()] == [True]
    cases.send(ann, batch.id)
    desk.works()
    assert (desk.order.state, desk.case.state) == ("accepted", "resolved")


def test_the_list_price_that_is_added_measures_the_deal(desk: Desk) -> None:
    asks("92", currency="EUR")
    desk.comes(**seats(10))
    desk.works()
    asks("150")
    cases.replay_one(person("ann"), desk.case.id)
    desk.works()
    assert (desk.order.state, desk.asked().action) == ("awaiting_approval", "discount_approval_required")
    assert desk.case.text == "Line 1 is sold 33.33 % below its list price; 20 % need no approval"


def test_a_second_person_lets_a_deal_pass_that_the_price_list_does_not_know(desk: Desk) -> None:
    asks("92", currency="EUR")
    desk.comes(**discounted(30))
    desk.works()
    bea = person("bea")
    asked = desk.asked()
    assert (asked.action, asked.data["besides"]) == ("list_price_missing", ["discount_approval_required"])
    cases.approve(bea, [asked.id], "sold in dollars once")
    desk.works()
    assert (desk.order.state, desk.asked().action) == ("awaiting_approval", "discount_approval_required")
    cases.approve(bea, [desk.asked().id], "and at that price")
    desk.works()
    assert desk.order.state == "accepted"


def test_a_list_price_that_falls_frees_no_deal_that_was_asked_for(desk: Desk) -> None:
    """One person sets the list price to what the deal is sold at, and presses Replay: a second person still decides."""
    price = asks("200")
    desk.comes(**seats(10))
    desk.works()
    price.unit_price = Decimal(100)
    price.save()
    (seen,) = replay.dry_run([desk.step.id])
    assert not seen.would_pass
    cases.replay_one(person("ann"), desk.case.id)
    desk.works()
    assert (desk.order.state, desk.asked().action) == ("awaiting_approval", "discount_approval_required")


def test_who_signs_keeps_no_prices() -> None:
    keeps = {name for name, rights in roles.ROLES.items() if "q2c.change_listprice" in rights}
    signs = {name for name, rights in roles.ROLES.items() if "exceptions.approve_case" in rights}
    assert keeps == {"Billing ops", "Finance systems"} and not keeps & signs


# What the database holds of it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ({}, {"effective_from": dt.date(2026, 1, 1)}, False),
        ({"effective_to": dt.date(2026, 1, 2)}, {"effective_from": dt.date(2026, 1, 1)}, False),
        ({"effective_to": dt.date(2026, 1, 1)}, {"effective_from": dt.date(2026, 1, 1)}, True),
        ({"effective_to": SINCE}, {}, True),
        ({}, {"currency": "EUR"}, True),
        ({}, {"price_period": "year"}, True),
    ],
    ids=["two at once", "a day of both", "one after the other", "never in force", "currency", "period"],
)
def test_two_prices_for_one_thing_on_a_day_are_refused(
    desk: Desk, first: dict[str, Any], second: dict[str, Any], fits: bool
) -> None:
    asks("100", **first)
    if fits:
        asks("90", **second)
    else:
        with pytest.raises(IntegrityError, match="one_list_price_at_a_time"), transaction.atomic():
            asks("90", **second)
    assert ListPrice.objects.count() == 1 + fits


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [({"price_period": "week"}, "list_price_period"), ({"unit_price": Decimal(-1)}, "list_price_not_negative")],
)
def test_what_no_price_is_is_refused(desk: Desk, changes: dict[str, Any], constraint: str) -> None:
    price = asks("100")
    for name, value in changes.items():
        setattr(price, name, value)
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        price.save()


def test_a_price_of_a_thing_that_is_sold_once_is_no_price_per_month(desk: Desk) -> None:
    setup = Product.objects.get(code="P-SETUP")
    price = ListPrice(product=setup, currency="USD", price_period="month", unit_price=1, effective_from=SINCE)
    with pytest.raises(ValidationError, match="P-SETUP is not recurring: its price is due once"):
        price.full_clean()
