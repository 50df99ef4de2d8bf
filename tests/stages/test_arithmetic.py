"""Price arithmetic beside a computation of its own, and documents of any shape: nothing raises."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from q2c import money
from q2c.contracts import documents
from q2c.contracts.documents import OrderDocument
from q2c.models import Customer, Order, OrderGroup
from q2c.reasons import Reason
from q2c.stages import credit_and_tax
from q2c.stages.accept_order import check
from q2c.stages.controls import limits, price
from q2c.stages.controls.calendar import add_months, term_end, whole_months
from q2c.stages.provision_billing import subscription_of
from tests.stages import tern
from tests.stages.test_controls import ZUORA

seeded = settings(max_examples=250, deadline=None, derandomize=True)
CURRENCIES = {"JPY": 0, "USD": 2, "KWD": 3}


def decimals(digits: int, places: int) -> st.SearchStrategy[str]:
    """Decimals as the schema has them, written with and without a fraction."""
    return st.builds(
        lambda whole, fraction: f"{whole}.{fraction}" if fraction else str(whole),
        st.integers(0, 10**digits - 1),
        st.text("0123456789", max_size=places),
    )


@st.composite
def priced_lines(draw: Any) -> tuple[dict[str, Any], str, list[int]]:
    """A line over 24 months, its currency, and the months of its phases."""
    currency = draw(st.sampled_from(sorted(CURRENCIES)))
    months = draw(st.lists(st.integers(1, 12), max_size=4))
    line: dict[str, Any] = {
        "price_period": draw(st.sampled_from(["once", "month", "year"])),
        "quantity": draw(decimals(5, 3)), "unit_price": draw(decimals(6, 4)),
        "discount_minor": draw(st.just(0) | st.integers(0, 10**6)),
    }  # fmt: skip
    day = dt.date(2026, 2, 1)
    line["phases"] = []
    for count in months:
        end = add_months(day, count)
        line["phases"].append(
            {"starts_on": day.isoformat(), "ends_on": end.isoformat(), "quantity": draw(decimals(5, 3)),
             "unit_price": draw(decimals(6, 4))}
        )  # fmt: skip
        day = end
    return line, currency, months


def by_hand(line: dict[str, Any], currency: str, months: list[int]) -> tuple[int, bool]:
    """Twelve times the amount in minor units, so that no division is needed, and whether a twelfth is whole."""
    with localcontext() as context:
        context.prec = 120
        spans = list(zip(line["phases"], months, strict=True)) or [(line, 24)]
        total = Decimal(0)
        for span, count in spans:
            twelfths = {"once": 12, "month": 12 * count, "year": count}[line["price_period"]]
            total += Decimal(span["quantity"]) * Decimal(span["unit_price"]) * twelfths
        twelve = total * 10 ** CURRENCIES[currency] - 12 * line["discount_minor"]
        whole = twelve == twelve.to_integral_value() and int(twelve) % 12 == 0
        return int(twelve) // 12, whole


def deal(line: dict[str, Any], currency: str, amount_minor: int) -> OrderDocument:
    document = tern.draft()
    document["groups"] = [document["groups"][0] | {"currency": currency}]
    document["lines"] = [document["lines"][0] | line | {"amount_minor": amount_minor}]
    return tern.read(document)


def mismatches(document: OrderDocument) -> list[Any]:
    return [f.reason for f in price.arithmetic(document, tern.world()) if f.reason == Reason.PRICE_MISMATCH]


@seeded
@given(priced_lines(), st.sampled_from([-1, 1]))
# 7/12 of a price that is divisible by twelve only at the end.
@example(
    ({"price_period": "year", "quantity": "1", "unit_price": "12", "discount_minor": 0,
      "phases": [{"starts_on": "2026-02-01", "ends_on": "2026-09-01", "quantity": "1", "unit_price": "12"}]},
     "USD", [7]), 1,
)  # fmt: skip
# More digits than a decimal holds by default: it would be rounded to a whole amount.
@example(
    ({"price_period": "once", "quantity": "999999.999999", "unit_price": "999999.99999999", "discount_minor": 0,
      "phases": []}, "KWD", []), 1,
)  # fmt: skip
def test_amounts_are_exactly_what_prices_make(drawn: tuple[dict[str, Any], str, list[int]], off: int) -> None:
    line, currency, months = drawn
    amount, whole = by_hand(line, currency, months)
    if amount < 0:
        # A discount of more than the price: no amount is right.
        assert mismatches(deal(line, currency, 0))
        return
    assert bool(mismatches(deal(line, currency, amount))) is not whole
    assert mismatches(deal(line, currency, amount + off if amount else 1))


@seeded
@given(priced_lines())
def test_phases_in_billing_come_to_the_line_to_the_last_minor_unit(
    drawn: tuple[dict[str, Any], str, list[int]],
) -> None:
    line, currency, months = drawn
    amount, whole = by_hand(line, currency, months)
    if not whole or amount < 0:
        return
    document = deal(line, currency, amount)
    group = OrderGroup(key="us", entity="US", bill_to="A-1", currency=currency)
    charges = subscription_of(Order(number="SO-1001"), document, group, "A-1-USD").charges
    assert sum(charge.amount_minor for charge in charges) == amount
    assert all(charge.amount_minor >= 0 for charge in charges)


@seeded
@given(st.lists(st.fractions(0, 1000), min_size=1, max_size=12))
def test_whole_parts_sum_to_the_whole(exact: list[Any]) -> None:
    parts = money.whole_parts(exact)
    assert sum(parts) == int(sum(exact) + Fraction(1, 2))
    assert all(abs(part - one) <= 1 for part, one in zip(parts, exact, strict=True))


@seeded
@given(st.dates(dt.date(1, 1, 1), dt.date(9970, 1, 1)), st.integers(0, 240))
def test_months_are_counted_back(day: dt.date, months: int) -> None:
    assert whole_months(day, add_months(day, months)) == months


def _ramp(starts_on: str, cut: str, months: tuple[int, int], **more: Any) -> OrderDocument:
    """Ten seats at 48.00 a month, twenty from a day on."""
    end = add_months(dt.date.fromisoformat(starts_on), sum(months)).isoformat()
    spans = [(starts_on, cut, "10"), (cut, end, "20")]
    line = {
        "quantity": "10", "discount_minor": 0, "billing": {"frequency": "monthly"}, **more,
        "phases": [{"starts_on": a, "ends_on": b, "quantity": q, "unit_price": "48"} for a, b, q in spans],
    }  # fmt: skip
    document = msgspec.structs.asdict(deal(line, "USD", 48_000 * months[0] + 96_000 * months[1]))
    on = dt.date.fromisoformat(starts_on)
    return tern.read(msgspec.to_builtins(document | {"starts_on": on, "term_months": sum(months), "closed_on": on}))


@pytest.mark.parametrize(
    ("starts_on", "cut", "months"),
    [
        ("2026-11-30", "2027-02-28", (3, 9)),
        ("2026-08-31", "2027-02-28", (6, 6)),
        ("2026-01-31", "2026-04-30", (3, 9)),
        ("2026-01-29", "2026-02-28", (1, 11)),
        ("2027-10-31", "2028-02-29", (4, 8)),
    ],
)
def test_phases_of_a_contract_of_the_end_of_a_month_are_counted_from_its_start(
    starts_on: str, cut: str, months: tuple[int, int]
) -> None:
    world = tern.world(dt.date.fromisoformat(starts_on))
    world.billing = ZUORA
    document = _ramp(starts_on, cut, months)
    assert check(document, world) == []
    charges = subscription_of(
        Order(number="SO-1001"), document, OrderGroup(key="us", currency="USD"), "A-1-USD"
    ).charges
    told = [(charge.months, charge.amount_minor) for charge in charges]
    assert told == [(months[0], 48_000 * months[0]), (months[1], 96_000 * months[1])]
    # A day beside is no month.
    for off in (-1, 1):
        beside = (dt.date.fromisoformat(cut) + dt.timedelta(days=off)).isoformat()
        if add_months(dt.date.fromisoformat(starts_on), months[0]).isoformat() != beside:
            assert Reason.PRICE_MISMATCH in {f.reason for f in check(_ramp(starts_on, beside, months), world)}


# Any shape ------------------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["A-1", "A-2", "us", "de", "x", "Ω~/%"])
DAYS = st.dates(dt.date(2025, 1, 1), dt.date(2030, 1, 1)) | st.dates()
QUANTITIES, PRICES = decimals(12, 6), decimals(12, 8)
MINOR = st.integers(0, 10**15)
ADDRESSES = st.builds(
    documents.Address, country=st.sampled_from(["US", "DE", "ZZ"]), region=st.sampled_from(["", "CA", "OH"])
)
TIERS = st.builds(documents.PriceTier, up_to=st.none() | QUANTITIES, unit_price=PRICES, flat_fee=PRICES)
USAGE = st.builds(
    documents.UsageTerms, meter=st.sampled_from(["", "api_calls", "y"]), included_quantity=QUANTITIES,
    tiers=st.lists(TIERS, max_size=4).map(tuple),
)  # fmt: skip
PHASES = st.builds(documents.Phase, starts_on=DAYS, ends_on=DAYS, quantity=QUANTITIES, unit_price=PRICES)
LINES = st.builds(
    documents.OrderLine, line=st.integers(1, 9999), product=st.sampled_from(["PLATFORM", "API-CALLS", "GONE"]),
    group=KEYS, quantity=QUANTITIES, unit_price=PRICES, discount_minor=MINOR, amount_minor=MINOR,
    phases=st.lists(PHASES, max_size=3).map(tuple), usage=st.none() | USAGE,
)  # fmt: skip
GROUPS = st.builds(
    documents.InvoiceGroup, key=KEYS, region=st.sampled_from(["US", "EMEA", "x"]),
    legal_entity=st.none() | st.sampled_from(["US", "DE", "XX"]), bill_to=KEYS, ship_to=ADDRESSES,
    currency=st.sampled_from(["USD", "EUR", "JPY", "KWD"]),
)  # fmt: skip
ORDERS = st.builds(
    OrderDocument, order_number=KEYS, customer=KEYS, contract_entity=st.sampled_from(["US", "DE", "XX"]),
    currency=st.sampled_from(["USD", "JPY"]), closed_on=DAYS, starts_on=DAYS, term_months=st.integers(1, 240),
    payment_term_days=st.integers(0, 365), parties=st.just(()),
    groups=st.lists(GROUPS, min_size=1, max_size=3).map(tuple),
    lines=st.lists(LINES, min_size=1, max_size=4).map(tuple), description=st.just(""),
)  # fmt: skip


@seeded
@given(ORDERS, st.lists(st.tuples(KEYS, KEYS), max_size=4))
def test_no_document_of_a_valid_shape_raises(order: OrderDocument, parents: list[tuple[str, str]]) -> None:
    world = tern.world()
    for child, parent in parents:
        world.customers[child] = Customer(key=child, name=child, parent_key=parent)
    document = msgspec.json.decode(msgspec.json.encode(order))
    # What is drawn is what could arrive.
    assert tern.read(document) == order
    findings = check(order, world)
    for finding in findings:
        tern.at(document, finding.pointer)
        str(finding.seen)
    credit_and_tax.questions(order, world, "tax", "credit")
    assert term_end(order) <= dt.date.max
    if not findings:
        for group in order.groups:
            subscription_of(
                Order(number=order.order_number), order, OrderGroup(key=group.key, currency=group.currency), "A-1"
            )


def test_a_discount_without_a_price_is_no_percentage() -> None:
    """The price control says what is wrong; nobody is asked to approve what cannot be told."""
    document = tern.order(**{"/lines/1/unit_price": "0", "/lines/1/discount_minor": 5})
    assert list(limits.discount(document, tern.world())) == []
    assert mismatches(document)
