"""The lists of invoices and of journals, and their files, add up to one figure, whatever was undone; and per filter.

DE01 sells O-1 to Acme on 3 November 2026. INV-1 to INV-4 are booked: INV-2 is a credit, INV-3 is cancelled in billing
and reversed here, INV-4 is cancelled in billing and stands in the books.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ledger.models import JournalEntry
from q2c import clock, keys, migrations
from q2c.contracts.documents import InvoiceLine
from q2c.contracts.events import JournalReversalRequested
from q2c.models import Invoice, Order
from q2c.models.tally import fold
from q2c.reading import invoice as whole
from q2c.reading import tallies
from q2c.ui import formats
from tests import flow_makers as make
from tests.application_role import as_owner
from tests.told_once import anew, told_once
from tests.ui.people import boss, page, read
from tests.ui.test_differences_told import NOW, take_back, turn

pytestmark = pytest.mark.django_db
# INV-1 and INV-4; the credit is INV-2.
STANDS, CREDIT = 6_212_000 + 20_000, -10_000
DE_NOV = "entity=DE01&period=2026-11"
SAID = f"EUR {formats.amount_text(STANDS, 'EUR')}EUR −100.00 of credits"


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def booked(number: str) -> JournalEntry:
    return JournalEntry.objects.get(business_document=f"invoice:{number}", reverses=None)


def tell_order() -> Order:
    make.company()
    found = make.through("O-1", "INV-1")
    credit = InvoiceLine(line=1, product="ONBOARDING", kind="one_time", net_minor=CREDIT)
    make.bill(found, "INV-2", lines=[credit])
    make.bill(found, "INV-3", net_minor=10_000, tax_minor=0)
    make.bill(found, "INV-4", net_minor=20_000, tax_minor=0)
    make.run("record_invoice")
    make.run("post_journal")
    turn(booked("INV-3"))
    for number in ("INV-3", "INV-4"):
        take_back(Invoice.objects.get(number=number))
    return found


_order = told_once(tell_order, at=NOW)


@pytest.fixture
def order(_order: Order, client: Any) -> Order:
    client.force_login(boss())
    return anew(_order)


def file(client: Any, noun: str, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"/{noun}?format=csv&{query}")
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


def worth(client: Any, noun: str, query: str = "") -> str:
    return read(client, f"/{noun}?{query}").split("Worth")[1][:140].strip()


@pytest.mark.parametrize("query", ["", "entity=DE01", DE_NOV, "currency=EUR&since=2026-11-01", "q=INV-"])
def test_both_lists_and_both_files_add_up_to_the_same(client, order, query):
    files = {noun: file(client, noun, query) for noun in ("invoices", "journals")}
    sums = {noun: sum(Decimal(row["worth"]) for row in rows) for noun, rows in files.items()}
    assert sums == dict.fromkeys(files, Decimal(STANDS + CREDIT) / 100)
    assert sum(Decimal(row["amount"]) for row in files["journals"]) == sums["journals"]
    for noun in files:
        assert worth(client, noun, query).startswith(f"{SAID}\nwithout"), noun


def test_a_file_says_of_an_invoice_what_its_page_says(client, order):
    states = {row["invoice"]: row["state"] for row in file(client, "invoices")}
    assert states == {
        "INV-1": "posted", "INV-2": "posted", "INV-3": "posted, journal reversed, cancelled in billing",
        "INV-4": "posted, cancelled in billing",
    }  # fmt: skip
    text = read(client, "/invoices?q=INV-3")
    assert "Journal reversed" in text and "Cancelled in billing" in text
    assert "Cancelled in billing" not in page(client, "/invoices?q=INV-1")


def test_a_journal_has_the_sign_of_its_document(client, order):
    amounts = {(row["business_document"], row["reverses"] != ""): row["amount"] for row in file(client, "journals")}
    assert amounts["invoice:INV-2", False] == "-100.00"
    assert (amounts["invoice:INV-3", False], amounts["invoice:INV-3", True]) == ("100.00", "-100.00")
    assert "EUR −100.00" in read(client, "/journals?q=INV-2").split("invoice INV-2")[1][:60]


def test_a_month_with_one_side_of_a_reversal_says_what_of_it_is_here(client, order):
    """INV-1 is reversed in December: November's books still have it, and the list of journals says by how much."""
    with clock.at(NOW + dt.timedelta(days=35)):
        turn(booked("INV-1"))
    assert worth(client, "invoices", DE_NOV).startswith("EUR 200.00EUR −100.00 of credits")
    november = worth(client, "journals", DE_NOV)
    beside = "EUR 62,120.00 half reversed"
    assert november.startswith(f"EUR 200.00EUR −100.00 of credits{beside}")
    assert sum(Decimal(row["worth"]) for row in file(client, "journals", DE_NOV)) == Decimal("62220.00")
    assert "Half reversed: a journal or its reversal" in read(client, f"/journals?{DE_NOV}")
    assert worth(client, "journals", "period=2026-12").startswith(beside.replace("62", "−62", 1))
    assert "alf reversed" not in page(client, "/journals")


def test_a_reversal_under_way_leaves_both_as_they_are(client, order):
    asked = JournalReversalRequested(
        journal_id=str(booked("INV-1").id), effective_on=clock.today(), reason="booked wrongly"
    )
    make.arrive("JournalReversalRequested", "urn:test", str(keys.new_id()), asked)
    make.run("reverse_journal")
    assert worth(client, "invoices").startswith(SAID) and worth(client, "journals").startswith(SAID)


def test_a_mirror_that_is_reversed_puts_the_invoice_back(client, order):
    mirror = turn(booked("INV-1"))
    assert worth(client, "invoices").startswith("EUR 200.00") and worth(client, "journals").startswith("EUR 200.00")
    turn(mirror)
    assert Invoice.objects.get(number="INV-1").reversed_at is None
    assert worth(client, "invoices").startswith(SAID) and worth(client, "journals").startswith(SAID)


def test_what_an_order_is_billed_leaves_out_what_was_cancelled_or_reversed(client, order):
    tie = whole.whole(boss_again(), Invoice.objects.get(number="INV-1").id).tie
    assert (tie.invoices, tie.billed_minor) == (2, 5_300_000 + CREDIT)


def boss_again() -> Any:
    return get_user_model().objects.get(is_superuser=True)


def test_the_page_of_the_order_says_the_same_of_each(client, order):
    text = read(client, f"/orders/{order.id}")
    assert text.count("Journal reversed") == 1 and text.count("Cancelled in billing") == 1
    # INV-4 differs, which says it in its own words.
    assert "In the books, not in billing" in text.split("Their journals")[0]
    journals = page(client, f"/orders/{order.id}").split("Journals of O-1</caption>")[1].split("</table>")[0]
    signed = re.findall(r"−?\b[\d,]+\.00", re.sub(r"<[^>]+>", "", journals))
    assert signed == ["−100.00", "200.00", "100.00", "−100.00", "62,120.00"]


@pytest.mark.parametrize(
    ("address", "tab", "count"),
    [
        (f"/invoices?{DE_NOV}", "Posted", 4), ("/invoices?entity=JP01", "All", 0), (f"/journals?{DE_NOV}", "All", 5),
        (f"/journals?{DE_NOV}", "Reversed", 1), ("/journals?period=2026-12", "All", 0), ("/orders?entity=US01", "All", 1),
        ("/orders?period=2026-11", "All", 1), ("/orders?period=2026-10", "All", 0), ("/orders?q=O-1&currency=EUR", "All", 1),
        ("/invoices?period=2026-10", "All", 0),
    ],
)  # fmt: skip
def test_a_filter_says_how_many_stand_in_which_state(client, order, address, tab, count):
    assert f'{tab}<span class="count">{count}</span>' in page(client, address)


def test_beyond_what_is_summed_the_list_says_only_that_there_are_more(client, order, monkeypatch):
    monkeypatch.setattr("q2c.reading.tallies.MOST", 3)
    text = read(client, f"/journals?{DE_NOV}")
    assert "More than 3 match. Narrow the filter" in text and "Worth" not in text
    assert "Reversed" in text and 'class="count"' not in page(client, f"/journals?{DE_NOV}")
    assert worth(client, "journals", "entity=DE01").startswith(SAID)


def test_an_entity_is_told_by_the_tally_and_a_month_by_one_statement(client, order):
    for query, most in (("entity=DE01&currency=EUR", 0), (DE_NOV, 1)):
        with CaptureQueriesContext(connection) as asked:
            page(client, f"/journals?{query}")
        assert sum("q2c_worth" in one["sql"] for one in asked) == most


def test_what_was_reversed_before_it_was_kept_is_worth_nothing(client, order):
    """The migration's own script and its way back, over what is booked here; and the tally folded."""
    kept = tallies.counts(boss_again(), ("invoice", "journal"))
    marked = dict(Invoice.objects.values_list("number", "reversed_at"))
    assert marked["INV-3"] is not None and sum(at is not None for at in marked.values()) == 1
    folder = Path(migrations.__file__).parent
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute((folder / "0046_reversed_invoices_left_the_books.reverse.sql").read_text())
        cursor.execute("UPDATE q2c_tally SET mirror_minor = 0")
        cursor.execute((folder / "0046_reversed_invoices_left_the_books.sql").read_text())
    assert dict(Invoice.objects.values_list("number", "reversed_at")) == marked
    fold()
    assert tallies.counts(boss_again(), ("invoice", "journal")) == kept
