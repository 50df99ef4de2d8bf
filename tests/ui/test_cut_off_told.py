"""What billing changes, moves into another month or takes back after it was booked: told where it is booked, open or not.

DE01 sells O-1 to Acme on 3 November 2026; INV-1 of EUR 62,120.00 is booked and posted in November.
"""

from __future__ import annotations

import datetime as dt

import pytest

from exceptions.models import Case
from q2c import clock
from q2c.connectors.outcomes import Rejected
from q2c.models import Invoice
from q2c.reading import close, given_up
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.ui.people import page, read, signed_in
from tests.ui.test_differences_told import again, as_then, booked, boss_of, dearer, invoice, migrated, take_back
from tests.ui.test_given_up_told import NOW, asked, closing, give_up, unrecorded

__all__ = ["invoice"]
pytestmark = pytest.mark.django_db
BOOKED = "1 invoice: booked in the month, in another month or legal entity in billing"
THERE = "1 invoice: in the month in billing, booked in another month or legal entity"
DECEMBER, OCTOBER = dt.date(2026, 12, 1), dt.date(2026, 10, 30)


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def said(text: str) -> str:
    return text.replace("\N{MINUS SIGN}", "-").replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("day", "month", "shown"), [(DECEMBER, "2026-12", "Dec 2026"), (OCTOBER, "2026-10", "Oct 2026")]
)
def test_an_invoice_that_billing_moves_stays_at_the_close_of_the_month_that_booked_it(
    invoice: Invoice, day: dt.date, month: str, shown: str
) -> None:
    again(invoice, "2", 1, issued_on=day)
    case, client = Case.objects.get(reason="invoice_changed"), signed_in(boss_of())
    assert (case.entity, case.period, case.amount_minor) == ("DE01", "2026-11", -6_212_000)
    counts = f"EUR 62,120.00 counts in Nov 2026 here, in {shown} in billing"
    for _ in range(2):
        for name, kind, worth in (("2026-11", BOOKED, "EUR -62,120.00"), (month, THERE, "EUR +62,120.00")):
            left = said(closing(client, name=name))
            assert left.count(kind) == 1 and worth in left and counts in left, name
        sums = given_up.of_open_months(boss_of())
        assert sums["DE01", "2026-11"].of("moved") == [(-6_212_000, "EUR")]
        tower = said(read(client, "/"))
        assert (
            counts in tower
            and "booked in the month, in another month or legal entity in billing, EUR -62,120.00" in tower
        )
        assert f"{counts}. It is booked on" in said(read(client, f"/invoices/{invoice.id}"))
        # One thing is one mark, open or settled.
        marked = read(client, "/invoices")
        assert marked.count("In another month in billing") == 1 and "Booked otherwise" not in marked
        # Closed without a fix, it goes nowhere.
        case = give_up(case) if case.state == "open" else case
    assert case.period == "2026-11"
    assert "In billing it stays as it is" not in read(client, f"/journals/{booked().id}")
    again(invoice, "3", 2)
    assert BOOKED not in closing(client) and THERE not in closing(client, name=month)


def test_an_invoice_that_billing_bills_from_another_entity_is_a_difference_of_both(invoice: Invoice) -> None:
    """Its total and date stay; each entity's close has it on one side alone."""
    again(invoice, "2", 1, legal_entity="US01")
    case, client = Case.objects.get(reason="invoice_changed"), signed_in(boss_of())
    assert (case.entity, case.period, case.amount_minor, case.currency) == ("DE01", "2026-11", -6_212_000, "EUR")
    counts = "EUR 62,120.00 counts in DE01 Nov 2026 here, in US01 Nov 2026 in billing"
    for _ in range(2):
        for entity, kind, worth in (("DE01", BOOKED, "EUR -62,120.00"), ("US01", THERE, "EUR +62,120.00")):
            left = said(closing(client, entity=entity))
            assert left.count(kind) == 1 and worth in left and counts in left, entity
        told = said(read(client, f"/invoices/{invoice.id}"))
        assert f"{counts}. It is booked on Nov 3, 2026 in DE01, and billing bills it from US01 by now" in told
        assert "EUR 62,120.00 in another legal entity" in told and "the total is the same" not in told
        assert read(client, "/invoices").count("In another legal entity in billing") == 1
        if case.state == "open":
            assert counts in said(read(client, "/queue?tab=all"))
            case = give_up(case)
    again(invoice, "3", 2)
    assert BOOKED not in closing(client) and THERE not in closing(client, entity="US01")


def test_who_signs_that_a_moved_invoice_is_closed_reads_both_months_and_dates(invoice: Invoice) -> None:
    again(invoice, "2", 1, issued_on=DECEMBER)
    case, client = Case.objects.get(reason="invoice_changed"), signed_in(boss_of())
    asked(case)
    counts = "EUR 62,120.00 counts in Nov 2026 here, in Dec 2026 in billing"
    dates = "It is booked on Nov 3, 2026, and billing dates it Dec 1, 2026 by now"
    cards = said(read(client, "/approvals"))
    # In the card, and in both dialogs.
    assert cards.count(counts) == cards.count(dates) == 3 and "none: the total is the same" not in cards
    assert "its issue date was Nov 3, 2026 and is Dec 1, 2026" in cards
    assert "DifferenceEUR -62,120.00 in Nov 2026, EUR +62,120.00 in Dec 2026" in cards
    shown = said(read(client, f"/cases/{case.id}"))
    assert counts in shown and dates in shown
    assert counts in said(read(client, "/queue?tab=awaiting_approval"))


def test_the_page_of_an_invoice_says_what_billing_changed(invoice: Invoice) -> None:
    again(invoice, "2", 1, issued_on=DECEMBER, due_on=dt.date(2027, 1, 5))
    shown = said(read(signed_in(boss_of()), f"/invoices/{invoice.id}"))
    box = shown.split("What changed")[1].split("Billing is the master")[0]
    for each in ("Issue date", "Nov 3, 2026", "Dec 1, 2026", "Due date", "Jan 5, 2027"):
        assert each in box, each
    assert "none: the total is the same" not in shown and "EUR 62,120.00 in another month" in shown


def test_what_differs_is_apart_from_what_is_still_to_be_booked(invoice: Invoice) -> None:
    """INV-2 waits to be recorded; INV-1 was made cheaper in billing, which is no credit."""
    unrecorded(invoice.order)
    again(invoice, "2", 1, **dearer(invoice, -5_000))
    client = signed_in(boss_of())
    left = said(closing(client))
    assert "2 open casesEUR 119.00" in left.replace("\n", "") and "of credits" not in left
    assert "Of them 1 about what is still to be booked and 1 about differences to billing" in left
    assert "1 invoice: booked otherwise than billing has itEUR -50.00" in left.replace("\n", "")
    (one,) = close.blocked(boss_of())
    assert (one.cases, one.differing, sum(minor for minor, _ in one.sums), one.credits) == (2, 1, 11_900, [])
    assert "of credits" not in said(read(client, "/")) and "1 among the differences below" in read(client, "/")


def test_what_billing_took_back_is_worth_what_leaves_the_books(invoice: Invoice) -> None:
    take_back(invoice)
    case, client = Case.objects.get(code="cancelled_in_billing"), signed_in(boss_of())
    assert (case.amount_minor, case.period) == (-6_212_000, "2026-11")
    assert read(client, "/invoices").count("In the books, not in billing") == 1
    for address in ("/queue", f"/cases/{case.id}", f"/invoices/{invoice.id}", "/"):
        assert "EUR -62,120.00" in said(read(client, address)), address
    left = said(closing(client))
    assert "1 invoice: in the books, not in billing" in left and "EUR -62,120.00" in left
    assert "EUR 62,120.00" not in left and "of credits" not in left


def test_what_was_open_before_is_moved_to_the_month_that_books_it(invoice: Invoice) -> None:
    again(invoice, "2", 1, issued_on=DECEMBER)
    told = as_then(Case.objects.get())
    Case.objects.update(amount_minor=0, period="2026-12", context={"findings": [{"reason": "invoice_changed"}]})
    migrated("CHANGED")
    case = Case.objects.get()
    assert (case.amount_minor, case.period, case.context["findings"][0]["differs"]) == (-6_212_000, "2026-11", told)


def test_what_billing_put_back_says_so_and_what_it_changed_again_too(invoice: Invoice) -> None:
    again(invoice, "2", 1, issued_on=DECEMBER)
    first = Case.objects.get()
    again(invoice, "3", 2, issued_on=OCTOBER)
    again(invoice, "4", 3)
    client = signed_in(boss_of())
    assert "has changed the invoice once more since" in read(client, f"/cases/{first.id}")
    last = Case.objects.exclude(id=first.id).get()
    assert "has put the invoice back as it was booked here" in read(client, f"/cases/{last.id}")


def test_no_replay_is_offered_first_where_it_cures_nothing(invoice: Invoice) -> None:
    again(invoice, "2", 1, issued_on=DECEMBER)
    case, client = Case.objects.get(), signed_in(boss_of())
    for address in ("/queue", "/problems", f"/problems/{case.problem_id}"):
        shown = page(client, address)
        assert "Open INV-1" in shown and "Replay it" not in shown, address
    give_up(case, "changed_in_billing")
    assert Case.objects.get().root_cause == "changed_in_billing"
    # What a replay does cure keeps it.
    make.bill(invoice.order, "INV-3")
    make.run("record_invoice")
    make.run("post_journal", lambda work: Rejected(reason=Reason.JOURNAL_REFUSED, text="no"))
    other = Case.objects.get(business_key="INV-3")
    assert "Replay it" in page(client, f"/problems/{other.problem_id}")
