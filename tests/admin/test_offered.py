"""A mapping that is added says at once what it lets through, as one that is changed does."""

from __future__ import annotations

import pytest
from django.urls import reverse

from exceptions.models import Case, Offer
from q2c import clock
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


def adds(client, connection, effective_from, effective_to=""):
    return change(
        client, reverse("admin:q2c_itemmapping_add"), product=str(Product.objects.get(code="PLATFORM").pk),
        connection=connection, item=f"PLATFORM-{effective_from}", dimensions="{}", effective_from=effective_from,
        effective_to=effective_to,
    )  # fmt: skip


def offers_in(page):
    return [text for text in said(page) if "See and replay" in text]


def test_what_came_free_before_is_not_the_doing_of_another_mapping(browser, waiting):
    """Germany's order is free; then the US, the same product in another ledger, and a later year of Germany come."""
    today, client = clock.today(), browser("Finance systems")
    later = today.replace(year=today.year + 1, day=1)
    ItemMapping.objects.filter(product__code="PLATFORM").delete()
    flow_makers.deal("O-2", starts_on=later)
    flow_makers.deal("O-3", region="AMER")
    flow_makers.run("accept_order")
    assert Case.objects.count() == 3
    (told,) = offers_in(adds(client, "erp-de01", "2020-01-01", later.isoformat()))
    assert "1 case," in told and "in erp-de01 is there now" in told
    (told,) = offers_in(adds(client, "erp-us01", "2020-01-01"))
    assert "in erp-us01 is there now" in told
    assert offers_in(adds(client, "erp-jp01", "2020-01-01")) == []
    (told,) = offers_in(adds(client, "erp-de01", later.isoformat()))
    assert "1 case," in told and "in erp-de01 is there now" in told
    assert sorted(Offer.objects.filter(state="open").values_list("blocker_connection", "cases")) == [
        ("erp-de01", 2), ("erp-us01", 1),
    ]  # fmt: skip


def test_by_a_file(browser, waiting):
    client = browser("Finance systems")
    text = "product,connection,item,effective_from\nPLATFORM,erp-de01,PLATFORM-DE,2020-01-01\n"
    page = confirm(client, ItemMapping, preview(client, ItemMapping, text))
    (offer,) = Offer.objects.filter(state="open")
    assert any(offer.headline.rstrip(".") in text for text in said(page)), said(page)
