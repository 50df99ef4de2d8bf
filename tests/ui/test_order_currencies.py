"""An order that bills in several currencies: what it shows, finds and answers, with a rate and without one."""

from __future__ import annotations

import csv
import datetime as dt
import importlib
import io
from decimal import Decimal

import msgspec
import pytest
from django.db import connection

from ledger.models import FxRate
from q2c import clock
from q2c.api.orders import OrderSerializer
from q2c.models import Order
from q2c.reading import orders
from tests import flow_makers as make
from tests.past_guards import past_guards
from tests.ui.people import boss, page, read

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)
RATES = {("EUR", "USD"): "1.10", ("JPY", "USD"): "0.0067"}


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


@pytest.fixture
def sold():
    """O-1 comes to USD from EUR 5,000 and JPY 600,000; O-2 to EUR, to which nothing has a rate from JPY; O-3 is plain."""
    make.company()
    for (source, target), rate in RATES.items():
        FxRate.objects.create(from_currency=source, to_currency=target, on=NOW.date(), rate=Decimal(rate))
    two_currencies("O-1", "USD")
    two_currencies("O-2", "EUR")
    make.deal("O-3")
    make.run("accept_order")
    return {order.number: order for order in Order.objects.all()}


def two_currencies(number: str, currency: str) -> None:
    emea, apac = make.order_document(number), make.order_document(number, region="APAC")
    fees = (emea.lines[1], msgspec.structs.replace(apac.lines[1], line=3, unit_price="600000", amount_minor=600_000))
    groups = (*emea.groups, msgspec.structs.replace(apac.groups[0], bill_to=emea.customer))
    make.deal(number, currency=currency, groups=groups, lines=fees)
    make.run("accept_order")


def test_the_page_shows_each_currency_with_its_rate_and_day(client, sold) -> None:
    client.force_login(boss())
    text = read(client, f"/orders/{sold['O-1'].id}")
    for said in (
        "USD 9,520.00 in all (EUR 5,000.00 and JPY 600,000) over 24 months",
        "EUREUR 5,000.001.10Nov 3, 2026USD 5,500.00",
        "JPYJPY 600,0000.0067Nov 3, 2026USD 4,020.00",
    ):  # fmt: skip
        assert said in text, said
    assert "By currency" not in read(client, f"/orders/{sold['O-3'].id}")


def test_what_has_no_rate_is_said_to_be_left_out_until_the_deal_comes_anew(client, sold) -> None:
    client.force_login(boss())
    # A rate that comes afterwards changes nothing of what was counted.
    FxRate.objects.create(from_currency="JPY", to_currency="EUR", on=NOW.date(), rate=Decimal("0.006"))
    text = read(client, f"/orders/{sold['O-2'].id}")
    assert "EUR 5,000.00 in all (EUR 5,000.00 and JPY 600,000, which has no rate and is not counted)" in text
    assert "JPYJPY 600,000––not in the total" in "".join(text.split("\n  ")).replace("\n", "")
    assert "there was no spot rate from JPY to EUR for Nov 3, 2026" in text


def test_lists_find_an_order_by_any_of_its_currencies_and_mark_its_total(client, sold) -> None:
    client.force_login(boss())
    found = {code: orders.Order.objects.filter(orders.in_currency(code)) for code in ("JPY", "USD", "EUR", "GBP")}
    numbers = {code: sorted(rows.values_list("number", flat=True)) for code, rows in found.items()}
    assert numbers == {"JPY": ["O-1", "O-2"], "USD": ["O-1"], "EUR": ["O-1", "O-2", "O-3"], "GBP": []}
    text = read(client, "/orders?currency=JPY")
    assert "O-3" not in text
    assert "USD 9,520.00of it EUR 5,000.00of it JPY 600,000" in text
    assert "EUR 5,000.00without JPY 600,000, no rate" in text
    assert "USD 9,520.00of it EUR 5,000.00of it JPY 600,000" in read(client, "/trace?q=O-1")
    rows = csv.DictReader(io.StringIO(page(client, "/orders?format=csv").lstrip("\ufeff")))
    assert {row["order"]: row["amounts_by_currency"] for row in rows} == {
        "O-1": "5000.00 EUR; 600000 JPY",
        "O-2": "5000.00 EUR; 600000 JPY (no rate)",
        "O-3": "149000.00 EUR",
    }


def test_the_filter_looks_up_by_index(sold) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = Order.objects.filter(orders.in_currency("JPY")).explain()
    assert "order_currency" in plan and "order_other_currency" in plan, plan


def test_the_api_tells_amounts_per_currency(sold) -> None:
    told = {number: OrderSerializer(order).data["amounts"] for number, order in sold.items()}
    nothing = {"rate": None, "rate_on": None}
    euros = {"currency": "EUR", "amount_minor": 500_000}
    yen = {"currency": "JPY", "amount_minor": 600_000}
    assert told["O-1"] == [
        euros | {"worth_minor": 550_000, "rate": "1.100000000", "rate_on": "2026-11-03"},
        yen | {"worth_minor": 402_000, "rate": "0.006700000", "rate_on": "2026-11-03"},
    ]
    assert told["O-2"] == [euros | {"worth_minor": 500_000} | nothing, yen | {"worth_minor": None} | nothing]
    total = sold["O-3"].total_minor
    assert told["O-3"] == [{"currency": "EUR", "amount_minor": total, "worth_minor": total} | nothing]


def test_orders_from_before_are_brought_to_it_as_new_ones_are_counted(sold) -> None:
    before = {order.number: order.portions for order in sold.values()}
    with past_guards(), connection.schema_editor() as editor:
        Order.objects.update(portions=[])
        importlib.import_module("q2c.migrations.0017_order_portions").fill(None, editor)
    after = {order.number: order.portions for order in Order.objects.all()}
    assert after == before
