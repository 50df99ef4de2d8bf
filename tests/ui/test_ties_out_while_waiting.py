"""A month ties out while a version of an invoice waits for its worker, whoever told of it and whatever was decided.

DE01 sells O-1 to Acme on 3 November 2026; INV-1 is booked and posted.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from unittest import mock

import msgspec
import pytest

from exceptions.models import Case
from q2c import clock
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.engine import replay
from q2c.models import Connection, Invoice, Order
from tests import flow_makers as make
from tests.ui.people import signed_in
from tests.ui.test_differences_page import NOVEMBER
from tests.ui.test_differences_told import again, boss_of, dearer, invoice
from tests.ui.test_given_up_told import NOW, _noon, order
from tests.ui.test_not_posted_told import has, shown
from tests.ui.test_redated_told import late, people

__all__ = ["_noon", "invoice", "order", "people"]
pytestmark = pytest.mark.django_db
DECEMBER = NOVEMBER.replace("2026-11", "2026-12")
SHOP = "reseller/eu"


def comes(one: Invoice, source: str, reference: str, minute: int, **changes: Any) -> None:
    document = msgspec.structs.replace(stored.read(one.event.payload, InvoiceDocument), **changes)
    with clock.at(NOW + dt.timedelta(minutes=minute)):
        make.arrive("InvoiceIssued", source, f"{reference}:{minute}", document, one.correlation_id)


def ties_out(*pages: str) -> bool:
    client = signed_in(boss_of())
    told = [shown(client, page) for page in pages]
    return all(has(each, "It ties out EUR 0.00") and not has(each, "Told by nothing") for each in told)


def test_of_one_that_two_people_booked_in_another_month(order: Order, people: tuple[Any, Any]) -> None:
    Connection.objects.filter(service="billing").update(name=make.BILLING)
    booked = late(order, people)
    assert ties_out(NOVEMBER, DECEMBER)
    comes(booked, make.BILLING, "8adINV-2", 1, **dearer(booked, 100))
    assert has(shown(signed_in(boss_of()), NOVEMBER), "On its way to be booked EUR +1.00")
    assert ties_out(NOVEMBER, DECEMBER)


def test_of_one_that_another_system_told_first_and_billing_has(invoice: Invoice) -> None:
    Connection.objects.filter(service="billing").update(name=make.BILLING)
    with mock.patch.object(make, "BILLING", SHOP):
        make.bill(invoice.order, "OB-1", net_minor=10_000, tax_minor=0)
    make.run("record_invoice")
    booked = Invoice.objects.get(number="OB-1")
    comes(booked, make.BILLING, "zOB-1", 0, billing_reference="zOB-1")
    make.run("record_invoice")
    assert ties_out(NOVEMBER)
    comes(booked, SHOP, "OB-1", 2, due_on=booked.due_on + dt.timedelta(days=1))
    assert ties_out(NOVEMBER)


def test_of_one_whose_case_is_replayed(invoice: Invoice) -> None:
    """It is told as the difference that it is, and not as on its way as well."""
    Connection.objects.filter(service="billing").update(name=make.BILLING)
    again(invoice, "2", 1, **dearer(invoice, 100))
    assert ties_out(NOVEMBER)
    replay.replay([Case.objects.get(reason="invoice_changed").step_id], "ann")
    assert has(shown(signed_in(boss_of())), "Differences EUR +1.00") and ties_out(NOVEMBER)
