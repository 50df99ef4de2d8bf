"""A product that changes is for new orders; whoever changes it is told which orders stay as they are."""

from __future__ import annotations

import pytest

from q2c.models import Product
from tests.admin.forms import change, said
from tests.admin.test_changes import address
from tests.admin.test_imports import confirm, preview
from tests.engine import makers

pytestmark = pytest.mark.django_db

TOLD = (
    "PLATFORM: 2 open orders keep the revenue treatment ratable monthly, as accepted, and so do their invoices. New "
    "orders need usage as billed: a deal that says another becomes a case."
)
LINE = (
    "PLATFORM: 2 open orders keep the product line subscription, as accepted, and so do their invoices. New orders get "
    "usage."
)


def test_who_changes_a_products_terms_is_told_which_orders_keep_the_old_ones(browser, busy):
    makers.order("O-2")
    client, product = browser("Sales ops"), Product.objects.get(code="PLATFORM")
    page = change(client, address(product), name="Platform X", change_reason="Renamed")
    assert not [text for text in said(page) if "open order" in text]
    page = change(client, address(product), revenue_treatment="usage_as_billed", product_line="usage",
                  change_reason="New price model")  # fmt: skip
    assert [text for text in said(page) if "open order" in text] == [TOLD, LINE]


def test_a_file_tells_it_before_and_after(browser, busy):
    makers.order("O-2")
    client = browser("Finance systems")
    page = preview(client, Product, "code,name,kind,revenue_treatment\nPLATFORM,Platform,recurring,usage_as_billed\n")
    assert TOLD.removesuffix(".") in page.content.decode()
    assert TOLD in said(confirm(client, Product, page))
    again = preview(client, Product, "code,name,kind,revenue_treatment\nPLATFORM,Other,recurring,usage_as_billed\n")
    assert "open orders" not in again.content.decode()
