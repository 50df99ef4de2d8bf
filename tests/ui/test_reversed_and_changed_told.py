"""What billing changed after it was booked, and whose journal is reversed then, as its case says: every page agrees.

DE01 sells O-1 to Acme on 3 November 2026; INV-1 of EUR 62,120.00 is booked and posted in November. Of each legal entity
and period it is told what billing has by its newest version less what the books have, their mirror entries with them.
"""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from exceptions.models import Case
from ledger.models import FiscalPeriod, JournalEntry
from q2c import clock
from q2c.models import Invoice
from q2c.reading import close, given_up, left_open, what_stays
from tests import flow_makers as make
from tests.ui.people import read, signed_in
from tests.ui.test_cut_off_told import DECEMBER, said
from tests.ui.test_differences_told import again, booked, boss_of, dearer, invoice, take_back, turn
from tests.ui.test_given_up_told import NOW, closing, give_up

__all__ = ["invoice"]
pytestmark = pytest.mark.django_db
Month = tuple[str, str]
NOV, DEC = ("DE01", "2026-11"), ("DE01", "2026-12")
TOTAL, CHEAPER = 6_212_000, 5_812_000
SHOWN = {NOV: "Nov 2026", DEC: "Dec 2026"}


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def euro(minor: int) -> str:
    return f"EUR {minor / 100:,.2f}"


def rows() -> dict[Month, list[tuple[str, int | None]]]:
    """By legal entity and period each difference, as its kind and minor units: the close of every month."""
    months = [(entity, name) for entity in ("DE01", "US01") for name in ("2026-10", "2026-11", "2026-12")]
    found = given_up.by_month(boss_of(), months)
    return {
        month: [(kind, one.amount_minor) for kind in sums.kinds for one in sums.found[kind]]
        for month, sums in found.items()
    }


def changed() -> Case:
    return Case.objects.get(reason="invoice_changed")


def agrees(invoice: Invoice, expected: dict[Month, tuple[str, int]], worth: tuple[Month, int]) -> None:
    """The close, the tower, the order, the invoice, the queue and the case say these rows, and nothing else."""
    assert rows() == {month: [row] for month, row in expected.items()}
    client, case = signed_in(boss_of()), changed()
    assert ((case.entity, case.period), case.amount_minor, case.currency) == (*worth, "EUR")
    tower = said(read(client, "/"))
    for month in (NOV, DEC):
        left = said(closing(client, name=month[1]))
        if month in expected:
            assert euro(abs(expected[month][1])) in left.replace("EUR -", "EUR ").replace("EUR +", "EUR ")
            assert f"{month[0]} {SHOWN[month]}, differences: 1 invoice" in tower
        else:
            assert "1 invoice: posted in billing" not in left and "INV-1" not in left
            assert f"{month[0]} {SHOWN[month]}, differences" not in tower
    for address in (f"/orders/{invoice.order_id}", f"/invoices/{invoice.id}", "/queue", f"/cases/{case.id}"):
        shown = said(read(client, address)).replace("EUR +", "EUR ").replace("EUR -", "EUR ")
        for _, minor in expected.values():
            assert euro(abs(minor)) in shown, (address, minor)
    of_case = said(read(client, f"/cases/{case.id}"))
    assert "Booked herenothing: its journal was reversed" in of_case and "is booked, and was changed" not in of_case
    of_invoice = read(client, f"/invoices/{invoice.id}")
    assert "has changed it since it was booked, and has it posted" in of_invoice
    assert "own document is as it was" not in of_invoice
    # Its history alone, of what the case said as it opened.
    assert of_invoice.count("is booked, and was changed") == 1


def test_moved_into_the_next_month_and_reversed_in_its_own_it_lacks_there_alone(invoice: Invoice) -> None:
    """As INV00002015: the month that booked it agrees again, the one in which billing has it lacks all of it."""
    again(invoice, "2", 1, issued_on=DECEMBER)
    assert rows() == {NOV: [("moved", -TOTAL)], DEC: [("moved_here", TOTAL)]}
    turn(booked())
    agrees(invoice, {DEC: ("invoice", TOTAL)}, (DEC, TOTAL))
    assert "In DE01 Dec 2026 billing has EUR 62,120.00 and the books have nothing" in case_page()
    november = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-11")
    assert left_open.of(boss_of(), november) == left_open.NOTHING
    # What a closing keeps is this, in the history of the period.
    client = signed_in(boss_of())
    address = f"{reverse('admin:ledger_fiscalperiod_move', args=['close'])}?ids={november.pk}"
    client.post(address, {"change_reason": "November is done"})
    november.refresh_from_db()
    assert november.state == "closed"
    history = read(client, reverse("admin:ledger_fiscalperiod_history", args=[november.pk]))
    assert "November is done" in history and "posted in billing" not in history and "INV-1" not in history


def test_made_cheaper_and_reversed_billing_has_what_it_says_by_now(invoice: Invoice) -> None:
    """As INV00002018: the books lack the newest total, not the one that was recorded."""
    again(invoice, "2", 1, **dearer(invoice, CHEAPER - TOTAL))
    assert (changed().amount_minor, rows()) == (CHEAPER - TOTAL, {NOV: [("changed", CHEAPER - TOTAL)]})
    turn(booked())
    agrees(invoice, {NOV: ("invoice", CHEAPER)}, (NOV, CHEAPER))
    november = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-11")
    kept = left_open.of(boss_of(), november)
    assert "Differences: 1 invoice, EUR 58,120.00 posted in billing, not in the books" in said(kept)
    # Case and difference are one thing, and no sum holds it twice.
    (one,) = close.blocked(boss_of())
    assert (one.entity, one.period, one.cases, one.differing, one.sums) == ("DE01", "2026-11", 1, 1, [])


def test_moved_and_reversed_by_a_mirror_of_the_next_month_it_is_a_row_of_both(invoice: Invoice) -> None:
    """As INV00001716: the original stands in the month that booked it, its mirror in the one that billing has it in."""
    again(invoice, "2", 1, issued_on=DECEMBER)
    with clock.at(dt.datetime(2026, 12, 2, 10, tzinfo=dt.UTC)):
        turn(booked())
        agrees(invoice, {NOV: ("moved", -TOTAL), DEC: ("changed", 2 * TOTAL)}, (DEC, 2 * TOTAL))
        shown = case_page()
        assert "EUR +124,240.00 in DE01 Dec 2026, EUR -62,120.00 in DE01 Nov 2026" in shown
        assert "In DE01 Nov 2026 billing has nothing and the books have EUR 62,120.00" in shown
        assert "In DE01 Dec 2026 billing has EUR 62,120.00 and the books have EUR -62,120.00" in shown
        stands = "urn:zuora:eu has it in Dec 2026; booked in Nov 2026, reversed in Dec 2026"
        for address in (f"/orders/{invoice.order_id}", f"/invoices/{invoice.id}"):
            shown = said(read(signed_in(boss_of()), address))
            assert "EUR -62,120.00 in Nov 2026, EUR +124,240.00 in Dec 2026" in shown and f"· {stands}" in shown
        november = said(read(signed_in(boss_of()), "/differences/DE01/2026-11"))
        assert f"EUR -62,120.00{stands}: in this month billing has nothing and the books have EUR 62,120.00" in november
        assert "In the books here, not in" not in november
        december = said(read(signed_in(boss_of()), "/differences/DE01/2026-12"))
        month = "in this month billing has EUR 62,120.00 and the books have EUR -62,120.00"
        assert f"EUR +124,240.00{stands}: {month}" in december and "that much more or less" not in december
        # Billing voids it: nothing is left of it there nor here.
        take_back(invoice)
        assert rows() == {}


def test_billed_from_another_entity_and_reversed_that_entity_lacks_it(invoice: Invoice) -> None:
    again(invoice, "2", 1, legal_entity="US01")
    turn(booked())
    assert rows() == {("US01", "2026-11"): [("invoice", TOTAL)]}
    assert (changed().entity, changed().period, changed().amount_minor) == ("US01", "2026-11", TOTAL)
    assert "was booked as invoice INV-1, and its journal was reversed" in changed().text


def test_restored_while_its_case_is_open_it_is_worth_what_it_was_before(invoice: Invoice) -> None:
    again(invoice, "2", 1, **dearer(invoice, CHEAPER - TOTAL))
    before = Case.objects.values("amount_minor", "entity", "period", "text", "context").get()
    mirror = turn(booked())
    assert changed().amount_minor == CHEAPER
    turn(mirror)
    assert Case.objects.values(*before).get(reason="invoice_changed") == before
    assert rows() == {NOV: [("changed", CHEAPER - TOTAL)]}
    told = [event.text for event in changed().events.filter(kind="restated").order_by("id")]
    assert [text.partition(":")[0] for text in told] == [
        "Its journal was reversed",
        "The reversal of its journal was reversed",
    ]


def test_put_back_in_billing_since_nothing_says_that_it_was_changed(invoice: Invoice) -> None:
    """As INV00001830, whose case said that billing has it posted as it was booked."""
    again(invoice, "2", 1, **dearer(invoice, CHEAPER - TOTAL))
    mirror = turn(booked())
    again(invoice, "3", 2)
    case, client = Case.objects.get(state="open"), signed_in(boss_of())
    assert case.text.endswith(f"{invoice.source} has it posted as it was booked")
    assert rows() == {NOV: [("invoice", TOTAL)]}
    of_journal = said(read(client, f"/journals/{mirror.id}"))
    assert "INV-1 stands in the books again. In billing it stays as it is." in of_journal
    addresses = ("/differences/DE01/2026-11", f"/orders/{invoice.order_id}", f"/invoices/{invoice.id}")
    for text in (of_journal, *(said(read(client, address)) for address in addresses)):
        assert "has changed it since" not in text and "and changed in billing" not in text
        assert case.shown in text


@pytest.mark.parametrize("put_back", [True, False], ids=["put back", "changed"])
def test_one_state_stands_under_one_heading_whatever_billing_made_of_it(invoice: Invoice, put_back: bool) -> None:
    """As INV00001606 and INV00001768: booked in one month, reversed in the next, posted in billing in the first."""
    make.bill(invoice.order, "INV-2", 16_000, 3_000)
    make.run("record_invoice")
    make.run("post_journal")
    with clock.at(dt.datetime(2026, 12, 2, 10, tzinfo=dt.UTC)):
        for entry in JournalEntry.objects.filter(state="posted"):
            turn(entry)
        again(invoice, "2", 60 * 24 * 30, **dearer(invoice, CHEAPER - TOTAL))
        if put_back:
            again(invoice, "3", 60 * 24 * 30 + 1)
        assert sorted(rows()[DEC]) == [("invoice", 19_000), ("invoice", TOTAL)]
        december = said(read(signed_in(boss_of()), "/differences/DE01/2026-12"))
        assert "2 invoices posted in billing, not in the books" in december
        assert "booked otherwise than billing has it" not in december
    assert rows().get(NOV) == (None if put_back else [("changed", CHEAPER - TOTAL)])


def test_restored_in_another_month_each_month_has_its_row(invoice: Invoice) -> None:
    """Nov has it, Dec lost it and has it again: only that billing made it cheaper is left. Unchanged, nothing is."""
    mirror = turn(booked())
    with clock.at(dt.datetime(2026, 12, 2, 10, tzinfo=dt.UTC)):
        turn(mirror)
        assert rows() == {}
        again(invoice, "2", 60 * 24 * 30, **dearer(invoice, CHEAPER - TOTAL))
        assert rows() == {NOV: [("invoice", CHEAPER)], DEC: [("moved", -TOTAL)]}
        assert (changed().period, changed().amount_minor) == ("2026-12", -TOTAL)


def test_changed_once_more_after_its_reversal_it_is_still_what_billing_changed(invoice: Invoice) -> None:
    again(invoice, "2", 1, **dearer(invoice, 5_000))
    turn(booked())
    again(invoice, "3", 2, **dearer(invoice, CHEAPER - TOTAL))
    (case,) = Case.objects.filter(state="open")
    assert (case.reason, case.amount_minor, case.period) == ("invoice_changed", CHEAPER, "2026-11")
    assert rows() == {NOV: [("invoice", CHEAPER)]}
    client = signed_in(boss_of())
    of_case = read(client, f"/cases/{case.id}")
    assert "have billing void it and issue it anew under another number" in of_case
    assert "The books hold none of INV-1: its journal was reversed" in what_stays.will(case)


def test_a_case_that_has_ended_keeps_what_was_said(invoice: Invoice) -> None:
    again(invoice, "2", 1, **dearer(invoice, CHEAPER - TOTAL))
    case = give_up(changed())
    turn(booked())
    was, now = case, changed()
    assert (now.amount_minor, now.period, now.text, now.context) == (
        was.amount_minor, was.period, was.text, was.context,
    )  # fmt: skip
    assert rows() == {NOV: [("invoice", CHEAPER)]}


@pytest.mark.parametrize("changes", [{"issued_on": DECEMBER}, {"total_minor": CHEAPER}, {"legal_entity": "US01"}])
def test_what_was_reversed_before_is_told_so_too(invoice: Invoice, changes: dict[str, Any]) -> None:
    again(invoice, "2", 1, **changes)
    before = changed()
    with clock.at(dt.datetime(2026, 12, 2, 10, tzinfo=dt.UTC)):
        turn(booked())
    told = Case.objects.values("amount_minor", "currency", "entity", "period", "text", "context").get(id=before.id)
    asked_then = {name: getattr(before, name) for name in told}
    differs = asked_then["context"]["findings"][0]["differs"]
    del differs["turned"], differs["is_reversed"]
    Case.objects.filter(id=before.id).update(**asked_then)
    with connection.cursor() as cursor:
        cursor.execute(import_module("q2c.migrations.0051_what_was_reversed_and_changed").REVERSED)
    assert Case.objects.values(*told).get(id=before.id) == told


def case_page() -> Any:
    return said(read(signed_in(boss_of()), f"/cases/{changed().id}"))
