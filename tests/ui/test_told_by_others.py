"""What other systems told that billing does not know leads from the month's page to its documents.

DE01 sells O-1 to Acme on 3 November 2026; billing has INV-1. The reseller's system tells of OB-1, and later of OB-2.
"""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import re
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection

from q2c.contracts.documents import InvoiceLine
from q2c.models import ApiKey, Connection, Invoice
from q2c.models.api_key import READ_EVERY_SYSTEM
from q2c.reading import invoices
from q2c.reading.wanted import Wanted
from tests import flow_makers as make
from tests.api.conftest import Caller
from tests.ui.people import page, read, signed_in
from tests.ui.test_cut_off_told import said
from tests.ui.test_differences_page import NOVEMBER, _noon
from tests.ui.test_differences_told import boss_of, invoice
from tests.ui.test_record_lists import rows_of

__all__ = ["_noon", "invoice"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def told(invoice: Invoice) -> Invoice:
    """OB-1 of EUR 100.00 is booked."""
    Connection.objects.filter(service="billing").update(name=make.BILLING)
    tell(invoice, "OB-1")
    assert Invoice.objects.get(number="OB-1").source == "reseller/eu"
    return invoice


def tell(invoice: Invoice, number: str, source: str = "reseller/eu", **more: Any) -> None:
    with patch.object(make, "BILLING", source):
        make.bill(invoice.order, number, net_minor=10_000, tax_minor=0, **more)
    make.run("record_invoice")


def test_the_line_of_another_system_leads_to_what_it_told(told: Invoice) -> None:
    client = signed_in(boss_of())
    text = page(client, NOVEMBER)
    ((href, what),) = re.findall(r'<a href="(/invoices[^"]+)">([^<]+)</a>', text)
    assert what == "Told by reseller/eu, not known to billing" and f"{what}EUR 100.00" in said(read(client, NOVEMBER))
    listed = page(client, html.unescape(href))
    assert rows_of(listed) == ["OB-1"] and "told by" in listed and "<option selected>reseller/eu</option>" in listed
    assert rows_of(page(client, "/invoices")) == ["OB-1", "INV-1"]
    assert rows_of(page(client, f"/invoices?source={make.BILLING}")) == ["INV-1"]
    file = io.StringIO(page(client, f"{html.unescape(href)}&format=csv").lstrip("\ufeff"))
    assert [(row["invoice"], row["told_by"]) for row in csv.DictReader(file)] == [("OB-1", "reseller/eu")]


def test_what_it_told_and_is_not_booked_stands_on_the_page_and_leads_to_no_list(told: Invoice) -> None:
    unsold = InvoiceLine(line=1, product="NOT-SOLD", kind="one_time", net_minor=10_000)
    tell(told, "OB-2", issued_on=dt.date(2026, 12, 1), lines=[unsold])
    shown = page(signed_in(boss_of()), "/differences/DE01/2026-12")
    assert "Told by reseller/eu, not known to billing" in shown and "/invoices?" not in shown
    assert "1 invoice received but not recorded" in shown and "OB-2" in shown


def test_where_one_system_tells_of_all_nobody_is_asked_which(invoice: Invoice) -> None:
    client = signed_in(boss_of())
    assert "Told by" not in page(client, "/invoices")
    assert "reseller" in page(client, "/invoices?source=reseller") and rows_of(page(client, "/invoices?source=x")) == []


def test_the_api_is_asked_for_what_one_system_told(told: Invoice) -> None:
    caller = Caller(ApiKey.make("board", ["q2c.view_invoice", READ_EVERY_SYSTEM])[1])
    found = caller.get("/api/v1/invoices", source="reseller/eu").json()["results"]
    assert [(one["number"], one["source"]) for one in found] == [("OB-1", "reseller/eu")]


def test_orders_come_by_no_such_filter(told: Invoice) -> None:
    assert rows_of(page(signed_in(boss_of()), "/orders?source=reseller")) == ["O-1"]


def test_both_questions_are_answered_by_the_index(told: Invoice) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {invoices._SOURCES}")
        plans = ["\n".join(line for (line,) in cursor.fetchall())]
    rows = invoices.found(boss_of(), Wanted(source="reseller/eu")).order_by("-issued_on", "-id")
    plans.append(rows.explain())
    assert all("invoice_told_by" in plan and "Sort" not in plan for plan in plans), plans
