"""Item mappings against what is known: here, and in the ledger that they are for."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from ledger.models import Account, Dimension, DimensionRule
from q2c.models import ItemMapping, Product
from tests.admin.forms import change, errors, said
from tests.admin.test_imports import confirm, preview

pytestmark = pytest.mark.django_db
ADD = reverse("admin:q2c_itemmapping_add")


def adds(client, **given):
    fields = {
        "product": str(Product.objects.get(code="PLATFORM").pk), "connection": "erp-us", "item": "P-9",
        "dimensions": '{"cost_center": "CC-410"}', "effective_from": "2027-01-01",
    }  # fmt: skip
    return change(client, ADD, **(fields | given))


def test_what_both_know_is_taken_without_a_word(browser, busy):
    page = adds(browser("Finance systems"))
    assert ItemMapping.objects.filter(item="P-9").exists()
    assert [text for text in said(page) if "was added successfully" not in text] == []


@pytest.mark.parametrize(
    ("dimensions", "words"),
    [
        ({"cost_centre": "CC-410"}, "There is no dimension cost_centre; there are: cost_center"),
        ({"cost_center": "CC-999"}, "cost_center has no value CC-999: add it under Dimension values first"),
    ],
)
def test_dimensions_that_nobody_knows_are_refused(browser, busy, dimensions, words):
    page = adds(browser("Finance systems"), dimensions=json.dumps(dimensions))
    assert words in errors(page)["dimensions"][0]
    assert not ItemMapping.objects.filter(item="P-9").exists()


def test_an_item_that_the_ledger_does_not_have_is_refused(browser, busy):
    busy["erp-us"].missing.add(("item", "P-9"))
    page = adds(browser("Finance systems"))
    assert errors(page)["item"] == ["The ledger has no item P-9: create it there first, or correct the name"]
    assert not ItemMapping.objects.filter(item="P-9").exists()


def test_what_is_inactive_there_is_taken_with_a_warning(browser, busy):
    busy["erp-us"].inactive |= {("item", "P-9"), ("cost_center", "CC-410")}
    text = " ".join(said(adds(browser("Finance systems"))))
    assert "erp-us has item P-9, but inactive" in text and "erp-us has cost center CC-410, but inactive" in text
    assert ItemMapping.objects.filter(item="P-9").exists()


def test_a_ledger_that_cannot_be_asked_is_named_with_what_was_not_checked(browser, busy):
    busy["erp-us"].down = True
    text = " ".join(said(adds(browser("Finance systems"))))
    assert "erp-us could not be asked: no answer. Not checked there: item P-9, cost center CC-410." in text
    assert ItemMapping.objects.filter(item="P-9").exists()


def test_dimensions_that_accounts_require_are_missed(browser, busy):
    account = Account.objects.filter(type="revenue").first() or Account.objects.first()
    DimensionRule.objects.create(
        dimension=Dimension.objects.get(code="cost_center"), account=account, requirement="required",
        effective_from="2026-01-01",
    )  # fmt: skip
    text = " ".join(said(adds(browser("Finance systems"), dimensions="{}")))
    assert "It gives no cost_center, which some accounts require: their journals become cases." in text


def test_an_import_is_asked_for_all_its_rows(browser, busy):
    client = browser()
    busy["erp-us"].missing.add(("item", "P-7"))
    text = (
        "product,connection,item,effective_from,dimensions\n"
        'PLATFORM,erp-us,P-7,2027-01-01,"{""cost_center"": ""CC-410""}"\n'
    )
    done = confirm(client, ItemMapping, preview(client, ItemMapping, text))
    assert any("erp-us has no item P-7: journals that carry it become cases." in text for text in said(done)), said(
        done
    )
    page = preview(client, ItemMapping, text.replace("CC-410", "CC-999").replace("P-7", "P-8"))
    assert "has no value CC-999" in page.content.decode()
