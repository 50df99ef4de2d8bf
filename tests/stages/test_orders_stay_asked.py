"""What a second person was asked about a deal, and refused, stays asked in its next version, however that is written.

Between the versions somebody alone raises the limit. Acme may owe 20,000 softly, discounts up to 20 % need nobody.
"""

from __future__ import annotations

import datetime as dt
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from exceptions.models import Approval
from q2c.engine import desk as cases
from q2c.models import CommercialPolicy, ItemMapping, ListPrice, Product
from tests.engine.makers import person
from tests.intake.documents import order as document
from tests.stages.conftest import Desk
from tests.stages.test_acceptance import discounted

pytestmark = pytest.mark.django_db(transaction=True)


def refused(desk: Desk, **first: Any) -> None:
    """Monday at nine: the first version comes, and a second person says no."""
    desk.comes("v1", **first)
    desk.works()
    cases.refuse(person("bea"), [desk.asked().id], "too much")


def discounts_up_to(percent: int) -> None:
    CommercialPolicy.objects.update_or_create(entity="", defaults={"discount_limit_percent": percent})


def changed(desk: Desk, **again: Any) -> None:
    """Ten minutes later: the deal comes again."""
    with desk.waits(10):
        desk.comes("v2", **again)
        desk.works()


def asked() -> list[tuple[str, str, str]]:
    """What is asked now: the pointer, and by how much it goes beyond which limit."""
    findings = [finding for one in Approval.objects.filter(state="requested") for finding in one.data["findings"]]
    return [(one["pointer"], one["measure"]["value"], one["measure"]["limit"]) for one in findings]


def test_each_half_of_a_line_that_was_split_is_asked_about(desk: Desk) -> None:
    refused(desk, **discounted(30))
    discounts_up_to(35)
    (half,) = discounted(29, 5)["lines"]
    (slight,) = discounted(20, 1)["lines"]
    changed(desk, lines=[half, half | {"line": 2}, slight | {"line": 3}])
    assert desk.order.state == "awaiting_approval"
    assert asked() == [
        ("/lines/0/discount_minor", "29.0000", "20"), ("/lines/1/discount_minor", "29.0000", "20"),
    ]  # fmt: skip
    cases.approve(person("cleo"), [desk.asked().id], "for both")
    desk.works()
    assert desk.order.state == "accepted"


def test_each_half_that_gives_as_much_is_told_as_the_line_that_it_is(desk: Desk) -> None:
    refused(desk, **discounted(30))
    discounts_up_to(35)
    (half,) = discounted(30, 5)["lines"]
    changed(desk, lines=[half, half | {"line": 2}])
    (request,) = Approval.objects.filter(state="requested")
    texts = [finding["text"].partition(";")[0] for finding in request.data["findings"]]
    assert texts == ["Line 1 gives 30 % discount", "Line 2 gives 30 % discount"]


def calls(*prices: str) -> list[dict[str, Any]]:
    """Usage in tiers of a thousand calls, each at its price; the last has no end."""
    usage = {"meter": "calls", "model": "graduated", "tiers": [
        {"up_to": str(1000 * (i + 1)) if i + 1 < len(prices) else None, "unit_price": price}
        for i, price in enumerate(prices)
    ]}  # fmt: skip
    line = deepcopy(document()["lines"][0]) | {
        "line": 2, "product": "P-CALLS", "kind": "usage", "quantity": "0", "unit_price": "0", "amount_minor": 0,
        "price_period": "once", "usage": usage, "revenue_treatment": "usage_as_billed",
    }  # fmt: skip
    line["billing"] = {"frequency": "monthly", "alignment": "term_start", "timing": "in_arrears"}
    return [document()["lines"][0], line]


def test_tiers_that_are_put_before_a_refused_one_change_no_question(desk: Desk) -> None:
    product = Product.objects.create(
        code="P-CALLS", name="Calls", kind="usage", product_line="usage", revenue_treatment="usage_as_billed",
        tax_code="SW", meter="calls",
    )  # fmt: skip
    ItemMapping.objects.create(product=product, connection="erp", item="CALLS", effective_from=dt.date(2020, 1, 1))
    ListPrice.objects.create(
        product=product, currency="USD", price_period="once", unit_price=Decimal("0.002"),
        effective_from=dt.date(2020, 1, 1),
    )  # fmt: skip
    refused(desk, lines=calls("0.002", "0.001"))
    discounts_up_to(60)
    changed(desk, lines=calls("0.002", "0.002", "0.001"))
    assert desk.order.state == "awaiting_approval"
    assert asked() == [("/lines/1/usage/tiers/2/unit_price", "50.0000", "20")]
