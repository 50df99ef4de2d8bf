"""A case of what billing changed or took back says, once it has ended, what it was then and how it ended.

And a reversal that is asked for stands by itself, beside the difference that it takes away.
DE01 sells O-1 to Acme on 3 November 2026; INV-1 of EUR 62,120.00 is booked and posted in November.
"""

from __future__ import annotations

from typing import Any

import pytest

from exceptions.models import Case
from q2c import clock, keys
from q2c.contracts.events import JournalReversalRequested
from q2c.models import Invoice
from q2c.reading import close
from tests import flow_makers as make
from tests.ui.people import read, signed_in
from tests.ui.test_cut_off_told import DECEMBER, said
from tests.ui.test_differences_told import again, booked, boss_of, invoice, take_back, turn
from tests.ui.test_given_up_told import NOW, closing, give_up

__all__ = ["invoice"]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def shown(address: str) -> str:
    return said(read(signed_in(boss_of()), address))


def test_put_back_in_billing_it_says_what_billing_had_then(invoice: Invoice) -> None:
    again(invoice, "2", 1, issued_on=DECEMBER)
    case = Case.objects.get(reason="invoice_changed")
    again(invoice, "3", 2)
    text = shown(f"/cases/{case.id}")
    for each in (
        "has put the invoice back as it was booked here", "As it stood then: Invoice INV-1",
        "Booked here thenEUR 62,120.00", "In billing thenEUR 62,120.00",
        "Difference thenEUR -62,120.00 in Nov 2026, EUR +62,120.00 in Dec 2026",
        "EUR 62,120.00 counted in Nov 2026 here, in Dec 2026 in billing", "billing dated it Dec 1, 2026 by then",
        "the books had it and billing had not", "What was booked here",
    ):  # fmt: skip
        assert each in text, each
    for each in ("In billing now", "counts in", "by now", "What is booked here"):
        assert each not in text, each
    listed = shown("/queue?tab=resolved")
    assert "difference then to EUR 62,120.00 booked: EUR 62,120.00 counted in Nov 2026 here" in listed


def test_reversed_and_voided_nothing_is_said_to_be_booked(invoice: Invoice) -> None:
    again(invoice, "2", 1, issued_on=DECEMBER)
    turn(booked())
    take_back(invoice)
    case = Case.objects.get(reason="invoice_changed")
    text = shown(f"/cases/{case.id}")
    assert case.resolution == "superseded"
    assert "has taken the invoice back since, and its journal was reversed here" in text
    assert "Booked here thennothing: its journal was reversed" in text and "In billing thenEUR 62,120.00" in text
    assert "In DE01 Dec 2026 billing had EUR 62,120.00 and the books had nothing" in text
    assert "In billing now" not in text and "The first INV-1 was booked" in text


def test_what_billing_took_back_says_how_it_ended(invoice: Invoice) -> None:
    take_back(invoice)
    mirror = turn(booked())
    case = Case.objects.get(code="cancelled_in_billing")
    text = shown(f"/cases/{case.id}")
    assert f"It ended by itself: its journal was reversed, by document {mirror.document_number}." in text
    assert "Booked here thenEUR 62,120.00" in text and "In billing thennothing" in text


def test_closed_without_a_fix_and_reversed_later_nothing_stands_in_the_books(invoice: Invoice) -> None:
    take_back(invoice)
    case = give_up(Case.objects.get(code="cancelled_in_billing"))
    assert "it stays in the books here" in shown(f"/cases/{case.id}")
    turn(booked())
    text = shown(f"/cases/{case.id}")
    assert "it stays in the books here" not in text and "its journal was reversed since" in text


def ask_to_reverse() -> Case:
    asked = JournalReversalRequested(journal_id=str(booked().id), effective_on=clock.today(), reason="as billing says")
    make.arrive("JournalReversalRequested", "urn:test", str(keys.new_id()), asked)
    make.run("reverse_journal")
    return Case.objects.get(reason="reversal_approval_required")


@pytest.mark.parametrize("how", ["taken back", "changed"])
def test_a_reversal_that_is_asked_for_counts_beside_the_difference_that_it_takes_away(
    invoice: Invoice, how: str
) -> None:
    if how == "changed":
        again(invoice, "2", 1, issued_on=DECEMBER)
    else:
        take_back(invoice)
    ask_to_reverse()
    (one,) = [row for row in close.blocked(boss_of()) if row.period == "2026-11"]
    assert (one.cases, one.differing, one.asked, one.sums, one.credits) == (2, 1, 1, [], [])
    left = shown_at_closing()
    assert "Of them 1 about differences to billing and 1 asked for, not decided" in left and "EUR -62,120.00" in left
    assert "EUR 62,120.00" not in left.replace("EUR 62,120.00 counts", "")


def test_any_other_reversal_counts_among_what_is_asked_for(invoice: Invoice) -> None:
    ask_to_reverse()
    (one,) = close.blocked(boss_of())
    assert (one.cases, one.differing, one.asked, one.sums) == (1, 0, 1, [])


def test_the_card_of_a_reversal_says_what_billing_has_by_now(invoice: Invoice) -> None:
    take_back(invoice)
    ask_to_reverse()
    card = shown("/approvals").split("Reverse a journal")[1].split("Asked by")[0]
    assert "has taken it back already: the books then agree with it" in card


def shown_at_closing() -> Any:
    return said(closing(signed_in(boss_of())))
