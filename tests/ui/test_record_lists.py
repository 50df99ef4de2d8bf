"""The lists of orders, invoices and journals: tabs, filters, sort, pages, files, and who may see them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from pathlib import Path

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ledger.models import JournalEntry
from q2c import clock, migrations, states
from q2c.contracts.documents import InvoiceLine
from q2c.models import Order
from q2c.reading import tallies
from q2c.ui import formats
from tests import flow_makers as make
from tests.application_role import as_owner
from tests.told_once import told_once
from tests.ui.people import boss, page, person, read

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)
NOUNS = ("orders", "invoices", "journals")
RIGHT = {
    "orders": "q2c.view_order",
    "invoices": "q2c.view_invoice",
    "journals": "ledger.view_journalentry",
}


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def tell_month():
    """One deal a day, each with its invoice and journal; every fourth in Japan."""
    make.company()
    for day in range(8):
        with clock.at(NOW - dt.timedelta(days=8 - day)):
            where = {"customer": "株式会社サクラ", "region": "APAC"} if day % 4 == 3 else {"customer": "Acme GmbH"}
            make.through(f"O-{day:03}", f"INV-{day:03}", **where)


month = told_once(tell_month, at=NOW)


@pytest.fixture
def many(monkeypatch):
    """More than two pages of every noun, with pages made small."""
    monkeypatch.setattr("q2c.ui.lists.page_of.__kwdefaults__", {"rows": 4, "total": None})
    make.company()
    for number in range(10):
        make.through(f"O-{number:03}", f"INV-{number:03}")


def rows_of(text: str) -> list[str]:
    return re.findall(r'data-open class="id">([^<]+)<', text)


@pytest.mark.parametrize("noun", NOUNS)
def test_a_list_shows_the_newest_first_with_state_customer_and_amount(client, month, noun):
    client.force_login(boss())
    text = page(client, f"/{noun}")
    shown = rows_of(text)
    assert len(shown) == 8
    if noun != "journals":
        assert shown == sorted(shown, reverse=True)
    assert "株式会社サクラ" in text and "Acme GmbH" in text and 'class="road small"' in text
    assert "EUR" in text and "JPY" in text


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/orders?q=O-003", ["O-003"]),
        ("/orders?q=o-003", ["O-003"]),
        ("/orders?q=サクラ", ["O-007", "O-003"]),
        ("/orders?q=acme&until=2026-10-27", ["O-001", "O-000"]),
        ("/orders?currency=JPY", ["O-007", "O-003"]),
        ("/orders?state=active&q=O-00&order=number", [f"O-{n:03}" for n in range(8)]),
        ("/orders?state=rejected", []),
        ("/orders?entity=de01", []),
        ("/orders?since=2026-11-01&until=2026-11-02", ["O-007", "O-006"]),
        ("/invoices?q=O-002", ["INV-002"]),
        ("/invoices?entity=JP01", ["INV-007", "INV-003"]),
        ("/invoices?q=サクラ&order=issued", ["INV-003", "INV-007"]),
    ],
)
def test_a_filter_finds_what_it_says(client, month, address, expected):
    client.force_login(boss())
    assert rows_of(page(client, address)) == expected


def test_journals_are_found_by_invoice_document_number_customer_and_period(client, month):
    client.force_login(boss())
    entry = JournalEntry.objects.get(business_document="invoice:INV-002")
    for q in ("INV-002", entry.number, entry.document_number, "O-002"):
        assert rows_of(page(client, f"/journals?q={q}")) == [entry.number]
    assert len(rows_of(page(client, "/journals?q=サクラ"))) == 2
    assert len(rows_of(page(client, "/journals?period=2026-10"))) == 6
    assert rows_of(page(client, "/journals?period=2026-10&entity=JP01")) != []


@pytest.mark.parametrize("noun", NOUNS)
def test_pages_go_on_and_come_back_without_losing_the_filter(client, many, noun):
    client.force_login(boss())
    address, met = f"/{noun}?currency=EUR&order=number", []
    for expected in (4, 4, 2):
        text = page(client, address)
        met += rows_of(text)
        assert len(rows_of(text)) == expected
        following = re.search(r'href="(\?[^"]+)" rel="next"', text)
        address = f"/{noun}{following[1].replace('&amp;', '&')}" if following else ""
        assert not address or "currency=EUR" in address
    assert met == sorted(met) and len(set(met)) == 10 and not address
    back = re.search(r'href="(\?[^"]+)" rel="prev"', text)
    assert rows_of(page(client, f"/{noun}{back[1].replace('&amp;', '&')}")) == met[4:8]


@pytest.mark.parametrize("noun", NOUNS)
def test_the_file_has_every_row_that_matches_and_exact_amounts(client, many, monkeypatch, noun):
    monkeypatch.setattr("q2c.ui.csv.CHUNK", 3)
    client.force_login(boss())
    answer = client.get(f"/{noun}?format=csv&currency=EUR&state=&order=number")
    body = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert (
        answer["Content-Type"] == "text/csv; charset=utf-8"
        and f'filename="{noun}.csv"' in answer["Content-Disposition"]
    )
    rows = list(csv.DictReader(io.StringIO(body)))
    assert len(rows) == 10 == len({row["id"] for row in rows})
    amount = {"orders": "149000.00", "invoices": "62120.00", "journals": "62120.00"}[noun]
    assert {row["total" if noun == "invoices" else "amount"] for row in rows} == {amount}


def test_a_cell_that_would_run_as_a_formula_does_not(client):
    make.company()
    make.deal("O-1", customer="=HYPERLINK(1)", customer_key="A-1")
    make.run("accept_order")
    client.force_login(boss())
    assert "'=HYPERLINK(1)" in page(client, "/orders?format=csv")


@pytest.mark.parametrize("noun", NOUNS)
def test_without_the_right_the_address_names_it_and_the_file_too(client, month, noun):
    client.force_login(person("mia", "q2c.view_event"))
    assert RIGHT[noun] in page(client, f"/{noun}", 403)
    assert RIGHT[noun] in page(client, f"/{noun}?format=csv", 403)


@pytest.mark.parametrize("noun", NOUNS)
def test_an_empty_list_tells_none_apart_from_none_that_match(client, noun):
    client.force_login(boss())
    assert f"No {noun} yet" in page(client, f"/{noun}")
    nothing = page(client, f"/{noun}?q=zzz+9")
    assert "Nothing matches this filter" in nothing and 'href="/trace?q=zzz+9"' in nothing


STRANGE = [
    ("q=%00", 400), ("q=%F0%9F%92%B8", 200), ("q=%27%22%3Cscript%3E", 200), ("q=" + "9" * 3000, 200), ("q=%25_", 200),
    ("state=gone", 422), ("currency=EURO", 422), ("since=2026-02-30", 422), ("since=9999-12-31", 422),
    ("until=yesterday", 422), ("since=2026-02-02&until=2026-01-01", 422), ("order=--number", 200),
    ("after=zzz&order=x", 200), ("entity=%00", 400), ("period=2026-13", 200), ("since=0001-01-01", 422),
]  # fmt: skip


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize(("query", "status"), STRANGE)
def test_a_strange_address_is_answered_not_broken(client, noun, query, status):
    client.force_login(boss())
    text = page(client, f"/{noun}?{query}", status)
    assert "<script>" not in text.replace("<script src", "")
    if status == 422:
        assert 'role="alert"' in text


@pytest.mark.parametrize("noun", NOUNS)
def test_a_list_asks_as_often_for_ten_rows_as_for_two(client, noun):
    make.company()
    client.force_login(boss())
    make.through("O-1", "INV-1")
    make.through("O-2", "INV-2")
    with CaptureQueriesContext(connection) as few:
        page(client, f"/{noun}")
    for number in range(3, 11):
        make.through(f"O-{number}", f"INV-{number}")
    with CaptureQueriesContext(connection) as more:
        page(client, f"/{noun}")
    assert len(more) <= len(few) <= 16


def stuck(number: str) -> None:
    """A deal whose product nobody knows: received, and not accepted."""
    make.deal(number, lines=(msgspec.structs.replace(make.order_document(number).lines[0], product="NOPE"),))
    make.run("accept_order")


def ended(moves: dict[str, str]) -> None:
    for number, move in moves.items():
        states.move(Order, move, [Order.objects.get(number=number).id])


def test_what_journals_are_worth_ties_to_what_invoices_are(client):
    """A credit stands beside the charges on both lists; a voided invoice, an order that was rejected are worth nothing."""
    make.company()
    order = make.through("O-1", "INV-1")
    first = order.invoices.get()
    days = first.lines.get(line=1)
    line = InvoiceLine(
        line=1, product="PLATFORM", kind="recurring", charge="Platform", quantity="100", net_minor=-10_000,
        tax_minor=-1_900, tax_code="SW", service_starts_on=days.service_starts_on, service_ends_on=days.service_ends_on,
    )  # fmt: skip
    make.bill(order, "INV-2", lines=[line])
    make.run("record_invoice")
    assert order.invoices.get(number="INV-2").total_minor == -11_900
    client.force_login(boss())
    charged = formats.amount_text(first.total_minor, "EUR")
    for noun in ("invoices", "journals"):
        said = read(client, f"/{noun}").split("Worth")[1][:90]
        assert f"EUR {charged}EUR −119.00 of credits" in said, noun
    make.run("post_journal")
    credit = JournalEntry.objects.get(business_document="invoice:INV-2")
    assert (credit.total_minor, credit.worth_minor) == (11_900, -11_900)
    stuck("O-2")
    before = read(client, "/orders").split("Worth")[1][:60]
    ended({"O-2": "reject"})
    after = read(client, "/orders").split("Worth")[1][:120]
    assert before[:30] != after[:30] and "without what was rejected" in after


def test_entries_from_before_the_sign_was_kept_get_it(client):
    """The migration's own script, over a credit and a journal whose worth nobody has written."""
    make.company()
    order = make.through("O-1", "INV-1")
    make.bill(order, "INV-2", lines=[InvoiceLine(line=1, product="ONBOARDING", kind="one_time", net_minor=-10_000)])
    make.run("record_invoice")
    kept = dict(JournalEntry.objects.values_list("id", "worth_minor"))
    assert sorted(kept.values())[0] == -10_000
    worth = tallies.counts(boss(), ("journal",))["journal"].sums
    script = Path(migrations.__file__).with_name("0034_journals_have_a_sign.sql").read_text()
    with as_owner(), connection.cursor() as cursor:
        # A migration comes to rows of others; these are this transaction's own.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE ledger_journalentry DISABLE TRIGGER USER")
        cursor.execute("UPDATE ledger_journalentry SET worth_minor = 0")
        cursor.execute(script)
    assert dict(JournalEntry.objects.values_list("id", "worth_minor")) == kept
    # Told once more, the tally is taken for one that was not told before: twice the credit is taken away.
    again = tallies.counts(get_user_model().objects.get(username="rosa"), ("journal",))["journal"].sums
    assert again["ready"] == [(minor - 20_000, currency) for minor, currency in worth["ready"]]


def test_what_was_counted_before_credits_stood_apart_tells_them(client):
    """The migration's own script, over an invoice's credit and its journal, counted net until then; and back."""
    make.company()
    order = make.through("O-1", "INV-1")
    make.bill(order, "INV-2", lines=[InvoiceLine(line=1, product="ONBOARDING", kind="one_time", net_minor=-10_000)])
    make.run("record_invoice")
    told = tallies.counts(boss(), ("invoice", "journal"))
    assert told["invoice"].credits_of(["recorded"]) == told["journal"].credits_of(["ready"]) == [(-10_000, "EUR")]
    folder = Path(migrations.__file__).parent
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("UPDATE q2c_tally SET credit_minor = 0")
        cursor.execute((folder / "0040_credits_stand_apart.reverse.sql").read_text())
        cursor.execute((folder / "0040_credits_stand_apart.sql").read_text())
    again = tallies.counts(get_user_model().objects.get(username="rosa"), ("invoice", "journal"))
    assert {noun: (one.by_state, one.credits) for noun, one in again.items()} == {
        noun: (one.by_state, one.credits) for noun, one in told.items()
    }


@pytest.mark.parametrize("query", ["", "entity=US01", "currency=EUR", "q=O-", "since=2026-11-01"])
def test_what_was_cancelled_is_told_beside_what_orders_are_worth(client, query):
    """Of three orders of 149,000.00, one is cancelled and one rejected; the list and its file say so, by any filter."""
    make.company()
    for number in ("O-1", "O-2"):
        make.through(number, f"INV-{number}")
    stuck("O-3")
    ended({"O-2": "cancel", "O-3": "reject"})
    client.force_login(boss())
    said = " ".join(read(client, f"/orders?{query}").split("Worth")[1].split())
    stands, cancelled = "EUR 149,000.00 without what was rejected or cancelled", "EUR 149,000.00 as it was sold"
    assert said.startswith(f"{stands} Cancelled{cancelled}")
    answer = client.get(f"/orders?format=csv&{query}")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    told = {row["order"]: (row["worth"], row["cancelled"]) for row in rows}
    assert told == {"O-1": ("149000.00", "0.00"), "O-2": ("0.00", "149000.00"), "O-3": ("0.00", "0.00")}


def test_a_tab_of_what_does_not_stand_says_of_no_order_that_it_is_worth_anything(client):
    make.company()
    make.through("O-1", "INV-1")
    stuck("O-2")
    ended({"O-1": "cancel", "O-2": "reject"})
    client.force_login(boss())
    cancelled, rejected = (
        " ".join(read(client, f"/orders?state={state}").split()) for state in ("cancelled", "rejected")
    )
    assert "Worth" not in cancelled + rejected and "AmountEUR" not in cancelled
    assert "CancelledEUR 149,000.00 as it was sold" in cancelled and "as it was sold" not in rejected
    assert "AmountEUR" in rejected
