"""What the tower and the close count as differences of a month stands on a page of its own, with or without a case.

DE01 sells O-1 to Acme on 3 November 2026; INV-1 is booked and posted.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from exceptions.models import Case
from ledger.models import FiscalPeriod
from q2c import clock
from q2c.models import Connection, Invoice
from q2c.reading import left_open, unbooked
from tests import flow_makers as make
from tests.ui.people import page, person, read, signed_in
from tests.ui.test_cut_off_told import said
from tests.ui.test_differences_told import again, booked, boss_of, dearer, invoice, turn
from tests.ui.test_given_up_told import NOW, closing, give_up

__all__ = ["invoice"]
pytestmark = pytest.mark.django_db
NOVEMBER = "/differences/DE01/2026-11"


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with clock.at(NOW):
        yield


def led_to(client: Any) -> str:
    """Where the tower leads from the differences of DE01, November 2026."""
    (href,) = re.findall(r'<a href="([^"]+)">DE01 Nov.2026</a>, differences', page(client, "/"))
    return str(href)


def left(name: str = "2026-11") -> str:
    months = FiscalPeriod.objects.select_related("entity")
    return left_open.of(boss_of(), months.get(entity__code="DE01", subledger="receivables", name=name))


def test_an_open_case_and_one_that_was_given_up_stand_where_the_tower_leads(invoice: Invoice) -> None:
    again(invoice, "2", 1, **dearer(invoice, 100))
    client = signed_in(boss_of())
    for _ in range(2):
        assert led_to(client) == NOVEMBER
        shown = said(read(client, NOVEMBER))
        assert "1 invoice booked otherwise than billing has it" in shown and "INV-1 EUR +1.00" in shown
        case = Case.objects.get()
        case = give_up(case) if case.state == "open" else case
    assert "Nothing differs" in read(client, "/differences/DE01/2026-10")
    for nowhere in ("/differences/XX/2026-10", "/differences/DE01/1999-99"):
        page(client, nowhere, 404)


def test_what_is_still_to_be_booked_is_told_beside_them(invoice: Invoice) -> None:
    client = signed_in(boss_of())
    assert "Nothing differs" in read(client, NOVEMBER) and "not recorded" not in read(client, NOVEMBER)
    make.bill(invoice.order, "INV-2", 10_000, 9_000)
    make.run("record_invoice")
    assert Case.objects.get().business_key == "INV-2"
    shown = said(read(client, NOVEMBER))
    assert "Nothing differs" not in shown and "1 invoice received but not recorded" in shown and "EUR 190.00" in shown
    case = Case.objects.get()
    assert f'<a href="/cases/{case.id}"' in page(client, NOVEMBER) and f"from {make.BILLING} · {case.shown}" in shown


def test_the_month_is_tied_out_from_what_came_in(invoice: Invoice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Billing has EUR 62,121.00 of INV-1 and EUR 190.00 of INV-2, the books have EUR 62,120.00."""
    Connection.objects.filter(service="billing").update(name=make.BILLING)
    again(invoice, "2", 1, **dearer(invoice, 100))
    make.bill(invoice.order, "INV-2", 10_000, 9_000)
    make.run("record_invoice")
    client = signed_in(boss_of())
    shown = said(read(client, NOVEMBER))
    for line in (
        "Billing hasEUR 62,311.00BookedEUR -62,120.00Billing less booksEUR +191.00",
        "DifferencesEUR +1.00Decided by two peopleEUR 0.00Still to be bookedEUR +190.00",
    ):
        assert line in shown
    assert "It ties out" in shown and "Told by nothing" not in shown
    # What nothing tells of stands in the last line.
    monkeypatch.setattr(unbooked, "came", lambda steps, instead: steps.none())
    shown = said(read(client, NOVEMBER))
    assert re.search(r"Told by nothing\s*EUR \+190.00", shown) and "It ties out" not in shown


def test_who_closes_the_month_is_led_there_though_nothing_differs(invoice: Invoice) -> None:
    period = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-11")
    shown = page(signed_in(boss_of()), f"/admin/ledger/fiscalperiod/move/close/?ids={period.pk}")
    assert f'<a href="{NOVEMBER}">How it ties out</a>' in shown


def test_in_another_currency_billing_has_it_without_an_amount_that_could_be_told(invoice: Invoice) -> None:
    Connection.objects.filter(service="billing").update(name=make.BILLING)
    again(invoice, "2", 1, currency="USD")
    shown = said(read(signed_in(boss_of()), NOVEMBER))
    without = r"Told below without an amount, or by nothing\s*"
    assert re.search(f"{without}EUR -62,120.00", shown) and re.search(f"{without}USD \\+62,120.00", shown)


def test_who_may_not_see_all_of_it_is_not_told_how_it_ties_out(invoice: Invoice) -> None:
    assert "ties out" not in read(signed_in(person("otto", "q2c.view_step")), NOVEMBER)


def test_what_has_no_case_stands_there_too(invoice: Invoice) -> None:
    turn(booked())
    client = signed_in(boss_of())
    assert not Case.objects.filter(stage="record_invoice").exists() and led_to(client) == NOVEMBER
    shown = read(client, NOVEMBER)
    assert "1 invoice posted in billing, not in the books" in shown and "its journal was reversed" in shown


def test_more_than_a_few_lead_there_as_well(invoice: Invoice, monkeypatch: pytest.MonkeyPatch) -> None:
    again(invoice, "2", 1, **dearer(invoice, 100))
    monkeypatch.setattr("q2c.ui.story.rows_of.__defaults__", (0,))
    client = signed_in(boss_of())
    assert f'<a href="{NOVEMBER}">1 more</a>' in page(client, "/")
    assert "1 more" in closing(client)


def test_who_may_not_see_the_flow_is_told_which_right_is_missing(invoice: Invoice) -> None:
    assert "q2c.view_step" in page(signed_in(person("rita")), NOVEMBER, 403)


def test_what_a_close_leaves_is_named_and_has_its_amount_though_it_is_nothing(invoice: Invoice) -> None:
    again(invoice, "2", 1, due_on=dt.date(2027, 1, 31))
    case = Case.objects.get()
    assert case.amount_minor == 0
    assert f"Open cases: 1 case ({case.shown} of INV-1)" in left()
    assert "Differences: 1 invoice, EUR 0.00 booked otherwise than billing has it (INV-1)" in left()


def test_what_billing_moved_is_kept_with_its_sign(invoice: Invoice) -> None:
    again(invoice, "2", 1, issued_on=dt.date(2026, 12, 1))
    moved = "1 invoice, EUR -62,120.00 booked in the month, in another month or legal entity in billing (INV-1)"
    assert moved in left() and "of credits" not in left()
    assert "1 invoice, EUR 62,120.00 in the month in billing" in left("2026-12")


def test_what_belongs_to_no_known_period_is_kept_with_the_close(invoice: Invoice, monkeypatch: Any) -> None:
    again(invoice, "2", 1, **dearer(invoice, 100))
    lost = Case.objects.get()
    monkeypatch.setattr("q2c.reading.unread.unplaced", lambda user: [lost])
    assert f"Of no known period: 1 invoice that cannot be read ({lost.shown} of INV-1)" in left()
