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
from ledger.models import FxRate, LegalEntity
from q2c.engine import desk as cases
from q2c.engine.submit import rehearse, submit
from q2c.models import CommercialPolicy, Connection, Customer, ItemMapping, ListPrice, Product
from tests.engine.makers import person
from tests.intake.documents import order as document
from tests.stages.conftest import Desk
from tests.stages.test_acceptance import discounted, seats
from tests.stages.test_customers import posted

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


def test_a_dry_run_of_a_newer_version_says_what_the_call_comes_to(desk: Desk) -> None:
    submit(*posted(**discounted(30)))
    cases.refuse(person("bea"), [desk.asked().id], "too much")
    discounts_up_to(35)
    with desk.waits(10):
        said = rehearse(*posted(**discounted(29)))
        assert (said.status, [finding["seen"] for finding in said.findings]) == ("awaiting_approval", ["29 %"])
        assert not Approval.objects.filter(state="requested").exists(), "nothing is kept"
        assert submit(*posted(**discounted(29))).status == "awaiting_approval"
        assert rehearse(*posted(order_number="SO-2", **discounted(29, 1))).status == "accepted"


def test_a_dry_run_that_a_service_refuses_is_no_promise(desk: Desk) -> None:
    Connection.objects.filter(name="credit").update(credentials={"api_key": "revoked"})
    said = rehearse(*posted())
    assert (said.status, [finding["reason"] for finding in said.findings]) == ("refused", ["credentials_refused"])


def may_owe(desk: Desk, soft: str, **more: Any) -> None:
    limits = {"soft_limit": soft, "hard_limit": "99000.00", "currency": "USD", "exposure": "0.00"}
    desk.credit.seed(customers=[{"id": key, **limits} for key in ("C-ACME", "C-OTHER")], **more)


def parties(key: str = "C-ACME", name: str = "Acme") -> list[dict[str, Any]]:
    return [deepcopy(document()["parties"][0]) | {"key": key, "name": name}]


def test_a_payer_that_was_renamed_is_the_same(desk: Desk) -> None:
    """25 seats are 30,000.00; one seat less is under what was asked for, and over the limit that it was asked under."""
    Customer.objects.create(key="C-ACME", name="Acme", pays_for_itself=True)
    refused(desk, **seats(25))
    may_owe(desk, "90000.00")
    Customer.objects.update(name="Acme Inc")
    changed(desk, **seats(24))
    assert asked() == [("/customer", "28800.00", "20000.00")]
    cases.approve(person("cleo"), [desk.asked().id], "agreed")
    Customer.objects.update(name="Acme of America")
    desk.works()
    assert desk.order.state == "accepted", "what was signed is of the account, not of its name"


def test_another_payer_is_another(desk: Desk) -> None:
    refused(desk, **seats(25))
    may_owe(desk, "90000.00")
    (group,) = document()["groups"]
    other = {"parties": parties("C-OTHER", "Other"), "customer": "C-OTHER", "groups": [group | {"bill_to": "C-OTHER"}]}
    changed(desk, **(seats(25) | other))
    assert desk.order.state == "accepted"


@pytest.mark.parametrize(
    ("rate", "quantity", "expected"),
    [
        ("1.1", 25, [("/customer", "33000.00", "20000.00")]),
        ("0.5", 25, []),
        (None, 1, [("/customer", "30000.00", "20000.00")]),
    ],
    ids=["more at today's rate", "less at today's rate", "no rate"],
)
def test_another_currency_is_converted(
    desk: Desk, rate: str | None, quantity: int, expected: list[tuple[str, str, str]]
) -> None:
    refused(desk, **seats(25))
    LegalEntity.objects.update(allowed_currencies=["USD", "EUR"])
    may_owe(desk, "90000.00", rates={"USD": "1", "EUR": "1.1"})
    if rate:
        FxRate.objects.create(from_currency="EUR", to_currency="USD", on=dt.date(2026, 1, 1), rate=Decimal(rate))
    (group,) = document()["groups"]
    changed(desk, **(seats(quantity) | {"currency": "EUR", "groups": [group | {"currency": "EUR"}]}))
    assert asked() == expected
    assert desk.order.state == ("awaiting_approval" if expected else "accepted")
    if rate is None:
        (finding,) = desk.asked().data["findings"]
        assert "would owe EUR 1,200.00; USD 30,000.00 were asked about, and no rate tells" in finding["text"]
        cases.approve(person("cleo"), [desk.asked().id], "agreed")
        desk.works()
        assert desk.order.state == "accepted"
