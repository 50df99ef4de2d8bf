"""What the stand-in bills, as tables an accountant can check: each row a bill date, a service period, a net amount.

Charges come from our own order bodies, so that what we ask for and what is billed are tried together.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from q2c import money
from q2c.connectors.zuora.orders import order_body
from q2c.connectors.zuora.sandbox import billing
from q2c.contracts.documents import Billing, PriceTier, SubscriptionCharge
from tests.connectors.zuora.tenant import RATES, charge, overage, subscription

Row = tuple[str, str, str, str]


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def billed(*charges: SubscriptionCharge, **more: Any) -> dict[str, Any]:
    """The subscription as the stand-in holds it once every phase is active."""
    document = subscription(*charges, **more)
    body = order_body(document, "Q2CKEY", lambda *kind: kind[1:3], {})
    kept = []
    for action in body["subscriptions"][0]["orderActions"]:
        begins = action["triggerDates"][0]["triggerDate"]
        plans = (action.get("createSubscription") or {}).get("subscribeToRatePlans") or [action.get("addProduct")]
        for plan in plans:
            override = plan["chargeOverrides"][0]
            end = (override.get("endDate") or {}).get("specificEndDate", "2099-01-01")
            kept.append(
                {"number": f"C-{len(kept) + 1}", "type": plan["productRatePlanId"], "pricing": override["pricing"],
                 "billing": override.get("billing") or {}, "startsOn": begins, "endsOn": end, "pricedUntil": end, "uom": "calls"}
            )  # fmt: skip
    term_end = billing.periods.add_months(document.starts_on, document.term_months)
    return {
        "number": document.key, "accountNumber": document.account, "currency": document.currency, "charges": kept,
        "termStart": document.starts_on.isoformat(), "termEnd": term_end.isoformat(), "soldTo": {"country": "DE"},
    }  # fmt: skip


def table(found: dict[str, Any], until: str, usages: list[dict[str, Any]] | None = None) -> list[Row]:
    rows = []
    for draft in billing.drafts(found, usages or [], [], day(until)):
        for item in draft.items:
            net = f"{money.Money(item.amount_minor, found['currency']).decimal()}"
            rows.append((draft.bill_on.isoformat(), item.starts_on.isoformat(), item.ends_on.isoformat(), net))
    return rows


def seats(**more: Any) -> SubscriptionCharge:
    """10 seats at 100.00 a month over 2026."""
    return charge(1, "PLAT", **more)


MONTHLY = Billing(frequency="monthly")
CALENDAR = Billing(frequency="monthly", alignment="calendar_month")


def test_a_month_in_advance_each_month() -> None:
    assert table(billed(seats()), "2026-03-31") == [
        ("2026-01-01", "2026-01-01", "2026-02-01", "1000.00"),
        ("2026-02-01", "2026-02-01", "2026-03-01", "1000.00"),
        ("2026-03-01", "2026-03-01", "2026-04-01", "1000.00"),
    ]


def test_months_of_a_contract_of_the_31st_weigh_alike_in_each_phase() -> None:
    """31 August to 28 February and on to 31 August: six months and six, each of them the same amount."""
    starts, cut, end = day("2026-08-31"), day("2027-02-28"), day("2027-08-31")
    half = {"months": 6, "amount_minor": 600_000}
    found = billed(
        seats(starts_on=starts, ends_on=cut, **half),
        seats(starts_on=cut, ends_on=end, phase=2, **half),
        starts_on=starts,
    )
    rows = table(found, "2027-08-31")
    assert [row[0][5:] for row in rows] == [
        "08-31", "09-30", "10-31", "11-30", "12-31", "01-31", "02-28", "03-31", "04-30", "05-31", "06-30", "07-31",
    ]  # fmt: skip
    assert {row[3] for row in rows} == {"1000.00"}


def test_in_arrears_the_bill_comes_when_the_period_is_over() -> None:
    arrears = Billing(frequency="quarterly", timing="in_arrears")
    assert table(billed(seats(billing=arrears)), "2026-07-01") == [
        ("2026-04-01", "2026-01-01", "2026-04-01", "3000.00"),
        ("2026-07-01", "2026-04-01", "2026-07-01", "3000.00"),
    ]


def test_a_year_ahead_bills_a_year() -> None:
    three = charge(1, "PLAT", ends_on=day("2029-01-01"), amount_minor=3_600_000, billing=Billing(frequency="annual"))
    assert table(billed(three, term_months=36), "2028-12-31") == [
        ("2026-01-01", "2026-01-01", "2027-01-01", "12000.00"),
        ("2027-01-01", "2027-01-01", "2028-01-01", "12000.00"),
        ("2028-01-01", "2028-01-01", "2029-01-01", "12000.00"),
    ]


def test_a_term_from_mid_month_on_calendar_months_is_prorated_by_days_and_sums_to_the_price() -> None:
    """15 January: 17 of 31 days first, 14 of 31 last; together one month."""
    from_mid = seats(starts_on=day("2026-01-15"), ends_on=day("2027-01-15"), billing=CALENDAR)
    rows = table(billed(from_mid, starts_on=day("2026-01-15")), "2027-12-31")
    assert (rows[0], rows[1], rows[-1]) == (
        ("2026-01-15", "2026-01-15", "2026-02-01", "548.39"),
        ("2026-02-01", "2026-02-01", "2026-03-01", "1000.00"),
        ("2027-01-01", "2027-01-01", "2027-01-15", "451.61"),
    )
    assert len(rows) == 13 and sum(Decimal(row[3]) for row in rows) == Decimal("12000.00")


def test_a_term_from_mid_month_on_its_own_day_is_not_prorated() -> None:
    from_mid = seats(starts_on=day("2026-01-15"), ends_on=day("2027-01-15"))
    rows = table(billed(from_mid, starts_on=day("2026-01-15")), "2027-12-31")
    assert rows[1] == ("2026-02-15", "2026-02-15", "2026-03-15", "1000.00") and len(rows) == 12


def test_an_added_line_ends_its_first_period_with_the_subscription() -> None:
    """Quarters of a subscription from 1 January; 5 seats join on 1 March and are billed to 1 April, then with it."""
    quarterly = Billing(frequency="quarterly")
    both = billed(
        seats(billing=quarterly),
        charge(2, "PLAT", phase=2, starts_on=day("2026-03-01"), quantity=Decimal(5), amount_minor=500_000,
               billing=quarterly),
    )  # fmt: skip
    assert table(both, "2026-06-30") == [
        ("2026-01-01", "2026-01-01", "2026-04-01", "3000.00"),
        ("2026-03-01", "2026-03-01", "2026-04-01", "500.00"),
        ("2026-04-01", "2026-04-01", "2026-07-01", "3000.00"),
        ("2026-04-01", "2026-04-01", "2026-07-01", "1500.00"),
    ]


def test_phases_change_quantity_and_price_on_their_day() -> None:
    ramp = billed(
        charge(1, "PLAT", ends_on=day("2026-02-01"), amount_minor=100_000),
        charge(1, "PLAT", phase=2, starts_on=day("2026-02-01"), ends_on=day("2026-03-01"), quantity=Decimal(20),
               amount_minor=200_000),
        charge(1, "PLAT", phase=3, starts_on=day("2026-03-01"), quantity=Decimal(20), unit_price=Decimal("95.50"),
               amount_minor=1_910_000),
    )  # fmt: skip
    assert table(ramp, "2026-04-01") == [
        ("2026-01-01", "2026-01-01", "2026-02-01", "1000.00"),
        ("2026-02-01", "2026-02-01", "2026-03-01", "2000.00"),
        ("2026-03-01", "2026-03-01", "2026-04-01", "1910.00"),
        ("2026-04-01", "2026-04-01", "2026-05-01", "1910.00"),
    ]


def test_a_phase_that_waits_for_its_date_is_not_billed() -> None:
    found = billed(seats())
    found["charges"][0]["startsOn"] = None
    assert table(found, "2026-12-31") == []


def test_an_implementation_fee_is_billed_once() -> None:
    fee = charge(1, "IMPL", kind="one_time", quantity=Decimal(1), unit_price=Decimal(5000), price_period="once",
                 amount_minor=450_000, billing=Billing(frequency="once"))  # fmt: skip
    found = billed(fee)
    assert table(found, "2026-12-31") == [("2026-01-01", "2026-01-01", "2026-01-02", "4500.00")]
    found["charges"][0]["billedThrough"] = "2026-01-02"
    assert table(found, "2026-12-31") == []


def test_a_discount_that_divides_into_no_cents_still_sums_to_the_amount() -> None:
    """12,000.00 less 1,000.01 in 12 months: 916.67, 916.66, … and never a cent lost."""
    rows = table(billed(seats(amount_minor=1_099_999)), "2026-12-31")
    assert {row[3] for row in rows} == {"916.67", "916.66"} and sum(Decimal(row[3]) for row in rows) == Decimal(
        "10999.99"
    )


@pytest.mark.parametrize(
    ("currency", "price", "amount_minor", "months"),
    [
        ("JPY", "1234", 148_080, ["12340", "12340"]),
        ("JPY", "1234", 148_079, ["12340", "12340"]),  # a discount of one yen comes off a single month
        ("KWD", "12.345", 1_481_400, ["123.450", "123.450"]),
        ("USD", "0.0015", 18, ["0.02", "0.01"]),
    ],
)
def test_currencies_with_none_two_and_three_decimals(
    currency: str, price: str, amount_minor: int, months: list[str]
) -> None:
    priced = seats(unit_price=Decimal(price), amount_minor=amount_minor)
    rows = table(billed(priced, currency=currency), "2026-12-31")
    assert [row[3] for row in rows[:2]] == months
    whole = money.Money(amount_minor, currency).decimal()
    assert sum((Decimal(row[3]) for row in rows), Decimal(0)) == whole


def use(quantity: str, on: str, **more: Any) -> dict[str, Any]:
    return {"AccountNumber": "ACME-EUR", "UOM": "calls", "Quantity": Decimal(quantity), "StartDateTime": on, **more}


def metered(**more: Any) -> dict[str, Any]:
    return billed(
        charge(
            1, "API", kind="usage", quantity=Decimal(0), unit_price=Decimal(0), amount_minor=0, usage=overage(**more)
        )
    )


@pytest.mark.parametrize(
    ("calls", "net"),
    [
        ("1000", None),  # all included: no line
        ("1001", "0.10"),
        ("1500", "50.00"),  # the first 500 over at 0.10
        ("1700", "60.00"),  # 200 more at 0.05
        ("1700.5", "60.03"),  # 60.025, halves away from zero
    ],
)
def test_usage_over_what_is_included_by_tiers(calls: str, net: str | None) -> None:
    rows = table(metered(), "2026-02-01", [use(calls, "2026-01-20T10:00:00Z")])
    assert rows == ([("2026-02-01", "2026-01-01", "2026-02-01", net)] if net else [])


def test_usage_is_counted_in_the_period_in_which_it_was_used() -> None:
    uses = [use("1500", "2026-01-31T23:59:59Z"), use("1200", "2026-02-01T00:00:00Z")]
    assert table(metered(), "2026-03-01", uses) == [
        ("2026-02-01", "2026-01-01", "2026-02-01", "50.00"),
        ("2026-03-01", "2026-02-01", "2026-03-01", "20.00"),
    ]


def test_volume_tiers_price_all_units_alike_and_a_tier_may_be_a_flat_fee() -> None:
    tiers = (
        PriceTier(up_to="100", unit_price="1"),
        PriceTier(up_to="500", unit_price="0.8"),
        PriceTier(unit_price="0", flat_fee="300"),
    )
    found = metered(included_quantity="0", model="volume", tiers=tiers)
    for calls, net in (("100", "100.00"), ("101", "80.80"), ("500", "400.00"), ("501", "300.00")):
        assert table(found, "2026-02-01", [use(calls, "2026-01-05T00:00:00Z")])[0][3] == net


def test_late_usage_is_billed_with_the_next_run_as_the_difference() -> None:
    found = metered()
    found["charges"][0]["usageBilled"] = {"2026-01-01": 5_000}
    uses = [use("1500", "2026-01-20T00:00:00Z"), use("100", "2026-01-21T00:00:00Z")]
    assert table(found, "2026-02-15", uses) == [("2026-02-15", "2026-01-01", "2026-02-01", "5.00")]


def test_what_is_due_before_an_earlier_run_comes_with_the_date_of_this_one() -> None:
    """Activated on 10 April with effect of 1 January, the run of 31 March long made: one invoice, not four dated back."""
    found = billing.drafts(billed(seats()), [], [], day("2026-04-10"), day("2026-03-31"))
    assert [(draft.bill_on, len(draft.items)) for draft in found] == [(day("2026-04-01"), 1), (day("2026-04-10"), 3)]


def test_usage_of_another_meter_account_or_subscription_is_not_billed() -> None:
    others = [
        use("9000", "2026-01-05T00:00:00Z", UOM="GB"), use("9000", "2026-01-05T00:00:00Z", AccountNumber="OTHER"),
        use("9000", "2026-01-05T00:00:00Z", SubscriptionNumber="S-OTHER"),
        use("9000", "2026-01-05T00:00:00Z", ChargeNumber="C-77"),
    ]  # fmt: skip
    assert table(metered(), "2026-02-01", others) == []


def test_a_cancelled_subscription_is_billed_to_its_day_and_what_was_billed_ahead_is_credited() -> None:
    """Cancelled with effect of 16 March. Not billed yet: 15 of 31 days. Billed to 1 April: 16 of 31 days back."""
    found = billed(seats())
    found["charges"][0].update(endsOn="2026-03-16", billedThrough="2026-03-01")
    assert table(found, "2026-12-31") == [("2026-03-01", "2026-03-01", "2026-03-16", "483.87")]
    found["charges"][0]["billedThrough"] = "2026-04-01"
    assert table(found, "2026-03-15") == []
    assert table(found, "2026-12-31") == [("2026-03-16", "2026-03-16", "2026-04-01", "-516.13")]


@pytest.mark.parametrize(
    ("place", "code", "net_minor", "expected"),
    [
        ({"country": "DE"}, "SAAS", 10_005, [("VAT", 1_901)]),  # 19.0095 → 19.01
        ({"country": "US", "state": "CA"}, "SERVICE", 10_000, [("CA county tax", 125), ("CA state tax", 600)]),
        ({"country": "US", "state": "CA"}, "SAAS", 10_000, [("CA county tax", 125)]),  # the state taxes no software
        ({"country": "US", "state": "NV"}, "SERVICE", 10_000, []),
        ({"country": "DE"}, "SAAS", -10_000, [("VAT", -1_900)]),
    ],
)
def test_tax_by_place_and_tax_code(place: dict[str, str], code: str, net_minor: int, expected: list[Any]) -> None:
    found = billing.taxes(net_minor, place, code, RATES)
    assert sorted((row["name"], row["minor"]) for row in found) == expected


@pytest.mark.parametrize("until", ["2026-01-01", "2026-01-15", "2026-03-01", "2026-12-31"])
def test_a_subscription_is_next_looked_at_on_the_day_something_is_due(until: str) -> None:
    found = billed(seats(billing=CALENDAR), charge(2, "IMPL", kind="one_time", quantity=Decimal(1), price_period="once",
                   unit_price=Decimal(5), amount_minor=500, billing=Billing(frequency="once"), phase=2,
                   starts_on=day("2026-02-10")))  # fmt: skip
    following = billing.next_bill_on(found, day(until))
    days = {row[0] for row in table(found, "2027-12-31") if row[0] > until}
    assert following.isoformat() == min(days, default="9999-12-31")
