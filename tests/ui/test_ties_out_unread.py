"""A month ties out where a version of an invoice cannot be read, whoever told of it and whatever people decide.

DE01 sells O-1 to Acme on 3 November 2026; INV-1, of EUR 62,120.00, is booked. Then OB-1 comes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import msgspec
import pytest

from exceptions.models import Approval, Case
from q2c import clock
from q2c.connectors.outcomes import About, Rejected
from q2c.connectors.ports import CANCELLED_THERE, NOT_POSTED
from q2c.engine import desk, intake
from q2c.engine.envelope import Item, Sender
from q2c.models import Invoice
from q2c.reasons import Reason
from tests import flow_makers as make
from tests.engine.makers import person as anyone
from tests.ui.people import read, signed_in
from tests.ui.test_differences_page import NOVEMBER
from tests.ui.test_differences_told import boss_of, dearer
from tests.ui.test_given_up_told import NOW
from tests.ui.test_not_posted_told import has, shown
from tests.ui.test_ties_out_while_waiting import DECEMBER, SHOP, comes, ties_out
from tests.ui.test_unread_invoices import billing
from tests.ui.test_unread_of_booked import _noon, document_of, invoice, two_give_up

__all__ = ["_noon", "invoice"]
pytestmark = pytest.mark.django_db
US01 = NOVEMBER.replace("DE01", "US01")
KNOWN = About(
    reference="zOB-1", number="OB-1", entity="DE01", issued_on=NOW.date(), amount_minor=50_000, currency="EUR"
)  # fmt: skip


def billing_unreadable(about: About = KNOWN, minute: int = 1) -> Case:
    refused = Rejected(reason=Reason.EVENT_MALFORMED, text=f"OB-1 has no product, read at {minute}", about=about)
    with clock.at(NOW + dt.timedelta(minutes=minute)):
        billing().take_fetched("zOB-1", refused)
    return Case.objects.filter(step_id=None).latest("number")


def api_unreadable(invoice: Invoice, may: bool = True) -> Case:
    document = msgspec.to_builtins(document_of(invoice)) | {
        "invoice_number": "OB-1", "billing_reference": "zOB-1", "total_minor": 50_000, "account": 5,
    }  # fmt: skip
    said = {"specversion": "1.0", "id": "1", "source": SHOP, "type": "InvoiceIssued"}
    item = Item(body=msgspec.json.encode(document), attributes=said, content_type="application/json")
    with clock.at(NOW + dt.timedelta(minutes=1)):
        intake.take([item], Sender(system="reseller", actor="api:reseller", may=lambda right: may))
    return Case.objects.filter(step_id=None).latest("number")


def stops(invoice: Invoice, source: str = "zuora", minute: int = 2, **changes: Any) -> None:
    """OB-1 comes with the account of another customer, worth what INV-1 is: EUR 62,120.00."""
    changes = {"invoice_number": "OB-1", "billing_reference": "zOB-1", "account": "OTHER-EUR", **changes}
    comes(invoice, source, "zOB-1", minute, **changes)
    with clock.at(NOW + dt.timedelta(minutes=minute)):
        make.run("record_invoice")


def page_says(*texts: str, page: str = NOVEMBER) -> bool:
    told = shown(signed_in(boss_of()), page)
    return all(has(told, text) for text in texts) and ties_out(page)


BY = pytest.mark.parametrize(
    ("source", "unreadable"),
    [("zuora", lambda invoice: billing_unreadable()), (SHOP, api_unreadable)],
    ids=["billing", "a sender"],
)


@BY
def test_of_one_given_up_that_comes_so_that_it_can_be_read(
    invoice: Invoice, source: str, unreadable: Callable[[Invoice], Case]
) -> None:
    case = unreadable(invoice)
    assert page_says("Came so that it cannot be read EUR 500.00", "Still to be booked EUR +500.00", case.shown)
    two_give_up(case, 1)
    assert page_says("Came so that it cannot be read EUR 500.00", "Differences EUR +500.00")
    with mock.patch.object(make, "BILLING", source), clock.at(NOW + dt.timedelta(minutes=3)):
        make.bill(invoice.order, "OB-1", 10_000, 0, billing_reference="zOB-1")
        make.run("record_invoice")
    assert Case.objects.get(state="awaiting_approval").reason == "invoice_given_up"
    assert page_says("Still to be booked EUR +100.00", "Differences EUR 0.00")
    desk.refuse(anyone("cleo"), [Approval.objects.get(state="requested").id], "still wrong")
    assert page_says("Still to be booked EUR 0.00", "Differences EUR +100.00")


@BY
def test_of_one_that_stopped_and_comes_again_unreadable(
    invoice: Invoice, source: str, unreadable: Callable[[Invoice], Case]
) -> None:
    """It is counted once, by what came last, though two cases are open about it."""
    stops(invoice, source, 0)
    assert page_says("Still to be booked EUR +62,120.00")
    case = unreadable(invoice)
    assert Case.objects.filter(state="open").count() == 2
    assert page_says("Came so that it cannot be read EUR 500.00", "Still to be booked EUR +500.00")
    two_give_up(case, 2)
    assert page_says("Still to be booked EUR 0.00", "Differences EUR +500.00")


def test_of_one_that_says_another_month_or_entity_as_it_cannot_be_read(invoice: Invoice) -> None:
    stops(invoice, minute=0)
    billing_unreadable(replace(KNOWN, issued_on=dt.date(2026, 12, 1)))
    assert page_says("Billing has EUR 62,120.00", "Still to be booked EUR 0.00")
    assert page_says("Came so that it cannot be read EUR 500.00", "Still to be booked EUR +500.00", page=DECEMBER)
    case = billing_unreadable(replace(KNOWN, entity="US01"), 2)
    assert page_says("Came so that it cannot be read EUR 500.00", page=US01) and ties_out(NOVEMBER)
    two_give_up(case, 2)
    assert page_says("Differences EUR +500.00", page=US01) and ties_out(NOVEMBER)


def test_of_which_no_amount_can_be_read_what_came_before_counts(invoice: Invoice) -> None:
    stops(invoice, minute=0)
    case = billing_unreadable(About(reference="zOB-1", number="OB-1", entity="DE01", issued_on=NOW.date()))
    assert page_says("Billing has EUR 124,240.00", "Still to be booked EUR +62,120.00")
    two_give_up(case, 1)
    assert page_says("Billing has EUR 124,240.00", "Still to be booked EUR +62,120.00")


@pytest.mark.parametrize(("more", "differences"), [(0, "EUR 0.00"), (100, "EUR +1.00")], ids=["the same", "dearer"])
def test_of_one_that_is_booked_as_another_system_told_it(invoice: Invoice, more: int, differences: str) -> None:
    with mock.patch.object(make, "BILLING", SHOP):
        make.bill(invoice.order, "OB-1", net_minor=10_000, tax_minor=0)
    make.run("record_invoice")
    booked = Invoice.objects.get(number="OB-1")
    comes(booked, "zuora", "zOB-1", 0, billing_reference="zOB-1", **(dearer(booked, more) if more else {}))
    make.run("record_invoice")
    case = billing_unreadable()
    assert page_says(f"Differences {differences}", "Booked EUR -62,220.00")
    two_give_up(case, 1)
    assert page_says(f"Differences {differences if more else 'EUR +400.00'}")
    if not more:
        told = read(signed_in(boss_of()), NOVEMBER)
        assert "as zuora has it by now it cannot be read" in told


def test_of_what_a_sender_without_the_right_told_until_billing_tells_it(invoice: Invoice) -> None:
    case = api_unreadable(invoice, may=False)
    assert page_says("Still to be booked EUR +500.00")
    stops(invoice)
    assert page_says("Billing has EUR 124,240.00", "Still to be booked EUR +62,120.00")
    two_give_up(case, 2)
    assert page_says("Billing has EUR 124,240.00", "Still to be booked EUR +62,120.00", "Differences EUR 0.00")


def test_of_one_that_billing_took_back_and_posts_again_unreadable(invoice: Invoice) -> None:
    """What another system told of it is owed no more, and hides nothing."""
    stops(invoice, SHOP, 0, billing_reference="r-1")
    billing_unreadable()
    with clock.at(NOW + dt.timedelta(minutes=2)):
        about = About(reference="zOB-1", number="OB-1", entity="DE01")
        gone = Rejected(
            reason=Reason.INVOICE_MISMATCH, text="OB-1 is Canceled", field=NOT_POSTED, code=CANCELLED_THERE, about=about
        )
        billing().take_fetched("zOB-1", gone)
    assert page_says("Still to be booked EUR 0.00")
    two_give_up(billing_unreadable(minute=3), 3)
    assert page_says("Came so that it cannot be read EUR 500.00", "Differences EUR +500.00")
