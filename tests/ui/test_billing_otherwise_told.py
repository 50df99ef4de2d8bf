"""What billing changed or took back after it was booked is told on every page of it while its case is open.

DE01 sells O-1 to Acme on 3 November 2026; INV-1 is booked and posted.
"""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from exceptions.models import Approval, Case
from q2c import clock, keys
from q2c.contracts.events import JournalReversalRequested
from q2c.models import Invoice, Order
from q2c.reading import flow
from q2c.stages import withdrawn
from tests import flow_makers as make
from tests.ui.people import page, person, read, signed_in
from tests.ui.test_differences_told import again, booked, boss_of, dearer, invoice, take_back, turn
from tests.ui.test_given_up_told import NOW, asked, give_up, unrecorded

__all__ = ["invoice"]

pytestmark = pytest.mark.django_db
APART = "In the books, not in billing"


@pytest.fixture(autouse=True)
def _noon():
    with clock.at(NOW):
        yield


def said(address: str) -> str:
    return " ".join(read(signed_in(boss_of()), address).split())


def section(text: str, heading: str) -> str:
    return text.split(heading, 1)[1]


def test_a_cancelled_invoice_is_told_by_its_journal_its_order_the_list_and_a_trace(invoice: Invoice) -> None:
    take_back(invoice)
    case, order = Case.objects.get(code="cancelled_in_billing"), Order.objects.get()
    journal = said(f"/journals/{booked().id}")
    assert "Billing has taken it back" in journal and "Reverse this journal, which takes it out" in journal
    assert case.shown in section(journal, "Cases") and "Nothing has failed." not in journal
    assert (
        "In billing it stays as it is" not in journal
        and "has taken it back already: the books then agree with it" in journal
    )
    of_order = said(f"/orders/{order.id}")
    coming = section(of_order, "What comes next").split("Controls")[0]
    assert f"Invoice INV-1: {make.BILLING} has taken it back, and it stands in the books" in coming
    assert case.shown in coming and "Nothing is under way." not in coming
    for text in (section(of_order, "Invoices of O-1"), said("/invoices"), said("/trace?q=INV-1")):
        assert f"{APART} {case.shown}" in text
    # Once it is reversed the two agree again, and each page says so with one word.
    turn(booked())
    for address in (f"/orders/{order.id}", "/invoices", "/trace?q=INV-1"):
        assert "Journal reversed" in said(address) and APART not in said(address), address
    assert "Billing has taken it back" not in said(f"/journals/{booked().id}")


def test_a_changed_invoice_is_told_by_its_journal_and_its_order_under_whatever_number(invoice: Invoice) -> None:
    again(invoice, "2", 5, invoice_number="INV-9", **dearer(invoice, 100_000))
    case, order = Case.objects.get(), Order.objects.get()
    journal = said(f"/journals/{booked().id}")
    assert "Billing has changed it" in journal and case.shown in section(journal, "Cases")
    assert "has changed it since it was booked, and has it posted so until it is voided there" in journal
    coming = section(said(f"/orders/{order.id}"), "What comes next").split("Controls")[0]
    assert f"Invoice INV-1: {make.BILLING} has changed it since it was booked" in coming and case.shown in coming
    assert f"Booked otherwise than billing has it {case.shown}" in said("/invoices")
    assert case.shown in section(said(f"/invoices/{invoice.id}"), "Cases")
    # Closed without a fix it is told as settled, once.
    give_up(case)
    text = said(f"/orders/{order.id}")
    assert "1 invoice stands apart" in text and "Invoice INV-1:" not in text
    assert text.count("Booked otherwise than billing has it") == 1


def test_who_sees_no_cases_reads_it_without_them(invoice: Invoice) -> None:
    take_back(invoice)
    client = signed_in(person("eve", "q2c.view_order", "q2c.view_invoice"))
    text = read(client, f"/orders/{Order.objects.get().id}")
    assert "has taken it back, and it stands in the books" in text and APART in text
    assert Case.objects.get().shown not in text


def test_the_approval_of_a_reversal_says_what_is_true_of_billing(invoice: Invoice) -> None:
    def asks() -> str:
        fact = JournalReversalRequested(journal_id=str(booked().id), effective_on=clock.today(), reason="wrong")
        make.arrive("JournalReversalRequested", "urn:test", str(keys.new_id()), fact)
        make.run("reverse_journal")
        assert Approval.objects.filter(state="requested").exists()
        return said("/approvals")

    take_back(invoice)
    text = asks()
    assert "INV-1 stands in the books no more" in text and "has taken it back already" in text
    assert "In billing it stays as it is" not in text


def test_a_reversal_that_is_reversed_puts_the_invoice_back(invoice: Invoice) -> None:
    assert "INV-1 stands in the books no more. In billing it stays as it is." in said(f"/journals/{booked().id}")
    mirror = turn(booked())
    text = said(f"/journals/{mirror.id}")
    assert "INV-1 stands in the books again" in text and "stands in the books no more" not in text


def test_marks_of_many_invoices_take_as_many_statements_as_those_of_one(invoice: Invoice) -> None:
    take_back(invoice)
    client = signed_in(boss_of())
    with CaptureQueriesContext(
        connection,
    ) as one:
        client.get("/invoices")
    for number in ("INV-2", "INV-3"):
        make.bill(invoice.order, number)
    make.run("record_invoice")
    make.run("post_journal")
    for other in Invoice.objects.exclude(id=invoice.id):
        take_back(other)
    assert Case.objects.filter(code="cancelled_in_billing").count() == 3
    with CaptureQueriesContext(connection) as many:
        client.get("/invoices")
    assert len(many) == len(one)


def rows(query: str) -> list[str]:
    """The records of a trace, each as it is read."""
    text = page(signed_in(boss_of()), f"/trace?q={query}").split("<h2>Records</h2>")[1].split("</table>")[0]
    return [
        " ".join(re.sub(r"<[^>]+>", "", row).split()) for row in re.findall(r"<tr data-row.*?</tr>", text, re.DOTALL)
    ]


def test_a_trace_begins_with_the_invoice_that_was_given_up(invoice: Invoice) -> None:
    case = unrecorded(invoice.order)
    first = rows("INV-2")[0]
    assert first.startswith("Invoice INV-2 searched for") and "Not recorded: stopped" in first and case.shown in first
    give_up(case)
    first, *others = rows("INV-2")
    assert first.startswith("Invoice INV-2 searched for") and f"Not in the books: given up {case.shown}" in first
    assert "Closed without fix" in first and "EUR 119.00" in first and f"{make.BILLING} 8adINV-2" in first
    assert others[0].startswith("Order O-1") and any(row.startswith("Invoice INV-1") for row in others)
    assert withdrawn.invoice(make.BILLING, "8adINV-2", "zuora", "canceled there")
    assert "Not recorded: taken back or overtaken" in rows("INV-2")[0]
    # What is recorded has one row.
    assert sum(row.startswith("Invoice INV-1") for row in rows("INV-1")) == 1


def test_the_card_of_closing_says_why_it_is_a_case_and_what_billing_still_has(invoice: Invoice) -> None:
    case = unrecorded(invoice.order)
    asked(case)
    card = said("/approvals").split("Asked by")[0]
    assert "Close without a fix" in card and case.text in card
    assert f"Nothing was booked for INV-2, and nothing will be. Billing ({make.BILLING}) still has it posted" in card


def test_what_is_booked_and_was_changed_since_waits_for_nothing_on_the_tower(invoice: Invoice) -> None:
    again(invoice, "2", 5, **dearer(invoice, 100_000))
    assert Case.objects.get().state == "open"
    invoices = next(one for one in flow.stations(boss_of()) if one.leg.label == "Invoices")
    assert (invoices.oldest, invoices.failed) == (None, 0)
