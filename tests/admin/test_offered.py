"""A mapping that is added says at once what it lets through, as one that is changed does."""

from __future__ import annotations

import pytest
from django.urls import reverse

from exceptions.models import Case, Offer
from q2c.models import ItemMapping, Product
from tests import flow_makers
from tests.admin.forms import change, said
from tests.admin.test_imports import confirm, preview

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiting(db):
    """An order of Germany sells what its ledger has no item for."""
    flow_makers.company()
    ItemMapping.objects.filter(product__code="PLATFORM", connection="erp-de01").delete()
    flow_makers.deal("O-1")
    flow_makers.run("accept_order")
    case = Case.objects.get()
    assert case.blocker == ("erp-de01", "item_mapping", "PLATFORM", "missing")
    return case


def test_by_its_form(browser, waiting):
    product = Product.objects.get(code="PLATFORM")
    page = change(
        browser("Finance systems"), reverse("admin:q2c_itemmapping_add"), product=str(product.pk), connection="erp-de01",
        item="PLATFORM-DE", dimensions="{}", effective_from="2020-01-01",
    )  # fmt: skip
    (offer,) = Offer.objects.filter(state="open")
    assert offer.cases == 1
    assert any(offer.headline.rstrip(".") in text and "See and replay" in text for text in said(page)), said(page)


def test_by_a_file(browser, waiting):
    client = browser("Finance systems")
    text = "product,connection,item,effective_from\nPLATFORM,erp-de01,PLATFORM-DE,2020-01-01\n"
    page = confirm(client, ItemMapping, preview(client, ItemMapping, text))
    (offer,) = Offer.objects.filter(state="open")
    assert any(offer.headline.rstrip(".") in text for text in said(page)), said(page)
