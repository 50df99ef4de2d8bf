"""Our documents as Zuora's orders, and Zuora's invoices as ours: what is said exactly, and what is refused by name."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from q2c.connectors.zuora import invoices, numbers
from q2c.connectors.zuora.invoices import Unmappable, instant, invoice_of, ties_of
from q2c.connectors.zuora.orders import Inexpressible, business_facts, inexpressible, order_body, payment_term
from q2c.contracts.documents import Billing, PriceTier
from q2c.reasons import Reason
from tests.connectors.zuora.tenant import charge, overage, subscription


def body_of(*charges: Any, **more: Any) -> dict[str, Any]:
    return order_body(subscription(*charges, **more), "Q2CKEY", lambda *kind: (f"plan {kind}", f"charge {kind}"), {})


def pricing_of(*charges: Any, **more: Any) -> dict[str, Any]:
    action = body_of(*charges, **more)["subscriptions"][0]["orderActions"][0]
    pricing: dict[str, Any] = action["createSubscription"]["subscribeToRatePlans"][0]["chargeOverrides"][0]["pricing"]
    return pricing


PRICES = {
    "seats a month": (
        {},
        {"recurringPerUnit": {"listPrice": 100, "quantity": 10, "listPriceBase": "Per_Month"}},
    ),
    "seats a year, for half a year": (
        {"price_period": "year", "ends_on": dt.date(2026, 7, 1), "amount_minor": 50_000},
        {"recurringPerUnit": {"listPrice": 100, "quantity": 10, "listPriceBase": "Per_Year"}},
    ),
    "a discount: the amount itself over its months": (
        {"amount_minor": 1_080_000},
        {"recurringFlatFee": {"listPrice": 10_800, "listPriceBase": "Per_Specific_Months", "specificListPriceBase": 12}},
    ),
    "a price for the whole term": (
        {"price_period": "once", "amount_minor": 99_995},
        {"recurringFlatFee": {"listPrice": Decimal("999.95"), "listPriceBase": "Per_Specific_Months",
                              "specificListPriceBase": 12}},
    ),
    "a fee": (
        {"kind": "one_time", "quantity": Decimal(2), "price_period": "once", "amount_minor": 20_000},
        {"oneTimePerUnit": {"listPrice": 100, "quantity": 2}},
    ),
    "a fee with a discount": (
        {"kind": "one_time", "quantity": Decimal(2), "price_period": "once", "amount_minor": 19_999},
        {"oneTimeFlatFee": {"listPrice": Decimal("199.99")}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PRICES)
def test_prices(name: str) -> None:
    given, expected = PRICES[name]
    assert pricing_of(charge(1, "PLAT", **given)) == expected


def test_tiers_start_above_what_is_included() -> None:
    tiers = pricing_of(charge(1, "API", kind="usage", amount_minor=0, usage=overage()))["usageTiered"]["tiers"]
    assert [(t["startingUnit"], t.get("endingUnit"), t["price"]) for t in tiers] == [
        (0, 1000, 0), (1000, 1500, Decimal("0.1")), (1500, None, Decimal("0.05")),
    ]  # fmt: skip


INEXPRESSIBLE = {
    "no charges": ((), "charges"),
    "half a month": ((charge(1, "PLAT", ends_on=dt.date(2026, 1, 16)),), "lines/1/phases"),
    "a recurring line billed once": ((charge(1, "PLAT", billing=Billing(frequency="once")),), "lines/1/billing"),
    "usage without tiers": ((charge(1, "API", kind="usage", usage=overage(tiers=())),), "lines/1/usage"),
    "volume with an allowance": ((charge(1, "API", kind="usage", usage=overage(model="volume")),), "lines/1/usage"),
    "a tier with price and fee": (
        (charge(1, "API", kind="usage", usage=overage(tiers=(PriceTier(unit_price="1", flat_fee="2"),))),),
        "lines/1/usage/tiers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INEXPRESSIBLE)
def test_what_an_order_cannot_say_is_told_by_its_line(name: str) -> None:
    charges, field = INEXPRESSIBLE[name]
    with pytest.raises(Inexpressible) as refusal:
        order_body(replace(subscription(), charges=charges), "K", lambda *kind: ("p", "c"), {})
    assert refusal.value.field == field
    if charges:
        assert inexpressible(charges, "USD") == [(str(refusal.value), field)]


def test_what_an_order_cannot_say_is_told_of_each_line_once() -> None:
    wrong = {"kind": "usage", "amount_minor": 0, "usage": overage(model="volume")}
    later = {"phase": 2, "starts_on": dt.date(2026, 7, 1)}
    given = (
        charge(1, "PLAT"),
        charge(2, "API", **wrong),
        charge(2, "API", **wrong, **later),
        charge(3, "API", **wrong),
    )
    assert [field for _, field in inexpressible(given, "USD")] == ["lines/2/usage", "lines/3/usage"]


def test_each_phase_is_an_action_of_its_own_without_an_activation_date() -> None:
    later = dt.date(2026, 7, 1)
    body = body_of(
        charge(1, "PLAT", ends_on=later, amount_minor=600_000),
        charge(1, "PLAT", phase=2, starts_on=later, amount_minor=600_000),
        charge(2, "PLAT", phase=2, starts_on=later, amount_minor=600_000),
    )
    (found,) = body["subscriptions"]
    assert [(a["type"], a["customFields"]["Q2C_Phase__c"]) for a in found["orderActions"]] == [
        ("CreateSubscription", "1"), ("AddProduct", "2"), ("AddProduct", "2"),
    ]  # fmt: skip
    dates = [[date["name"] for date in action["triggerDates"]] for action in found["orderActions"]]
    assert dates == [["ContractEffective"]] * 3
    assert found["customFields"] == {"Q2C_Order__c": "SO-1001", "Q2C_Group__c": "DE", "Q2C_Entity__c": "DE"}


def test_what_zuora_adds_is_no_difference_and_what_was_changed_is() -> None:
    body = body_of(charge(1, "PLAT"))
    read = numbers.decode(numbers.encode(body))
    override = read["subscriptions"][0]["orderActions"][0]["createSubscription"]["subscribeToRatePlans"][0][
        "chargeOverrides"
    ][0]
    override["pricing"]["recurringPerUnit"] |= {"priceChangeOption": "NoChange", "listPrice": Decimal("100.00")}
    override["pricing"]["recurringFlatFee"] = None
    override["billing"] |= {"billCycleDay": None, "weeklyBillCycleDay": None}
    assert business_facts(read) == business_facts(body)
    override["pricing"]["recurringPerUnit"]["quantity"] = 11
    assert business_facts(read) != business_facts(body)


@pytest.mark.parametrize(("days", "name"), [(0, "Due Upon Receipt"), (30, "Net 30"), (45, "45 Tage netto")])
def test_payment_terms(days: int, name: str) -> None:
    assert payment_term(days, {"payment_terms": {"45": "45 Tage netto"}}) == name


# Invoices

SUBSCRIPTION = {
    "subscriptionNumber": "S-SO-1001-DE", "invoiceOwnerAccountNumber": "ACME-EUR", "Q2C_Order__c": "SO-1001",
    "Q2C_Group__c": "DE", "Q2C_Entity__c": "DE",
}  # fmt: skip


def invoice(**more: Any) -> dict[str, Any]:
    return {
        "id": "8a" * 16, "invoiceNumber": "INV00000001", "currency": "EUR", "amount": Decimal("119.00"),
        "invoiceDate": "2026-01-01", "dueDate": "2026-01-31", **more,
    }  # fmt: skip


def item(**more: Any) -> dict[str, Any]:
    return {
        "id": "i1", "chargeType": "Recurring", "sku": "PLAT", "chargeName": "Platform", "chargeAmount": Decimal(100),
        "taxAmount": Decimal(19), "quantity": 10, "serviceStartDate": "2026-01-01", "serviceEndDate": "2026-01-31",
        "processingType": "Charge", **more,
    }  # fmt: skip


def mapped(given: dict[str, Any], *items: dict[str, Any]) -> Any:
    return invoice_of(given, items, ties_of(given, [SUBSCRIPTION]))


def test_an_invoice_with_its_service_period_and_ties() -> None:
    found = mapped(invoice(), item())
    assert (found.order_number, found.group, found.legal_entity, found.account) == ("SO-1001", "DE", "DE", "ACME-EUR")
    (line,) = found.lines
    # Zuora's last day of service, ours the first that no longer counts.
    assert line.service_ends_on == dt.date(2026, 2, 1)
    assert (line.net_minor, line.tax_minor, line.kind, line.product) == (10_000, 1_900, "recurring", "PLAT")


@pytest.mark.parametrize(
    ("currency", "net", "tax", "total", "minor"),
    [("JPY", 1000, 100, 1100, 1000), ("KWD", "1.005", "0", "1.005", 1005), ("USD", "0.10", "0.01", "0.11", 10)],
)
def test_amounts_keep_every_digit(currency: str, net: Any, tax: Any, total: Any, minor: int) -> None:
    found = mapped(invoice(currency=currency, amount=total), item(chargeAmount=net, taxAmount=tax))
    assert found.lines[0].net_minor == minor


def test_a_discount_comes_off_the_line_it_applies_to() -> None:
    discount = item(
        id="i2", processingType="Discount", appliedToItemId="i1", chargeAmount=Decimal(-10), taxAmount=Decimal("-1.90")
    )
    found = mapped(invoice(amount=Decimal("107.10")), item(), discount)
    assert [(line.net_minor, line.tax_minor) for line in found.lines] == [(9_000, 1_710)]


WRONG = {
    "items that do not come to the total": (invoice(amount=Decimal("119.01")), [item()], "amount"),
    "more decimals than the currency has": (invoice(currency="JPY"), [item(chargeAmount=Decimal("100.5"))], "chargeAmount"),
    "an unknown currency": (invoice(currency="XXX"), [item()], "chargeAmount"),
    "no product": (invoice(), [item(sku=None)], "productCode__c"),
    "an unknown charge type": (invoice(), [item(chargeType="Gift")], "chargeType"),
    "a discount on nothing": (invoice(), [item(), item(id="i2", processingType="Discount", appliedToItemId="x")], "appliedToItemId"),
    "no date": (invoice(invoiceDate="soon"), [item()], "invoiceDate"),
    "no day after": (invoice(), [item(serviceEndDate="9999-12-31")], "serviceEndDate"),
    "taxes that are none": (invoice(), [item(taxCode="", taxationItems="VAT")], "taxationItems"),
    "a list of taxes that are none": (invoice(), [item(taxCode="", taxationItems={"data": [1]})], "taxationItems"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_an_invoice_that_contradicts_itself_is_refused_by_zuoras_name_for_it(name: str) -> None:
    given, items, field = WRONG[name]
    with pytest.raises(Unmappable) as refusal:
        mapped(given, *items)
    assert (refusal.value.field, refusal.value.reason) == (field, Reason.INVOICE_MISMATCH)


def test_an_invoice_of_two_orders_or_none_is_refused() -> None:
    with pytest.raises(Unmappable, match="bills several: SO-1001, SO-1002"):
        ties_of(invoice(), [SUBSCRIPTION, {**SUBSCRIPTION, "Q2C_Order__c": "SO-1002"}])
    with pytest.raises(Unmappable) as refusal:
        ties_of(invoice(), [{"subscriptionNumber": "S", "accountNumber": "A"}])
    assert refusal.value.reason == Reason.INVOICE_ORDER_UNKNOWN
    with pytest.raises(Unmappable, match="several"):
        ties_of(invoice(), [SUBSCRIPTION, {**SUBSCRIPTION, "invoiceOwnerAccountNumber": "OTHER"}])


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-01-15 09:30:01", "America/Los_Angeles", "2026-01-15T17:30:01+00:00"),
        ("2026-01-15T09:30:01.000+01:00", "America/Los_Angeles", "2026-01-15T08:30:01+00:00"),
        ("2026-01-15T09:30:01Z", "Asia/Tokyo", "2026-01-15T09:30:01+00:00"),
    ],
)
def test_instants_in_the_tenants_zone(text: str, zone: str, expected: str) -> None:
    assert instant(text, zone).isoformat() == expected


def test_an_amount_that_is_no_number() -> None:
    with pytest.raises(Unmappable):
        invoices.minor("ten", "EUR", "amount")
