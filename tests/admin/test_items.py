"""Item mappings against what is known: here, and in the ledger that they are for."""

from __future__ import annotations

import html

import pytest
from django.urls import reverse

from exceptions.models import Case
from ledger.models import Account, Dimension, DimensionRule, DimensionValue
from q2c.models import ItemMapping, Product
from q2c.ui import cause
from tests.admin.forms import change, errors, said
from tests.admin.test_imports import confirm, preview

pytestmark = pytest.mark.django_db
ADD = reverse("admin:q2c_itemmapping_add")


def adds(client, **given):
    fields = {
        "product": str(Product.objects.get(code="PLATFORM").pk), "connection": "erp-us", "item": "P-9",
        "dimensions-cost_center": "CC-410", "effective_from": "2027-01-01",
    }  # fmt: skip
    return change(client, ADD, **(fields | given))


def test_what_both_know_is_taken_without_a_word(browser, busy):
    page = adds(browser("Finance systems"))
    assert ItemMapping.objects.filter(item="P-9").exists()
    assert [text for text in said(page) if "was added successfully" not in text] == []


@pytest.mark.parametrize(
    ("code", "value", "words"),
    [
        ("cost_centre", "CC-410", "There is no dimension cost_centre; there are: cost_center"),
        ("cost_center", "CC-999", "Cost center has no value CC-999: add it under Dimension values first"),
    ],
)
def test_dimensions_that_nobody_knows_are_refused(browser, busy, code, value, words):
    page = adds(browser("Finance systems"), **{f"dimensions-{code}": value})
    assert words in errors(page)["dimensions"][0]
    assert not ItemMapping.objects.filter(item="P-9").exists()


def test_an_item_that_the_ledger_does_not_have_is_refused(browser, busy):
    busy["erp-us"].missing.add(("item", "P-9"))
    page = adds(browser("Finance systems"))
    assert errors(page)["item"] == ["The ledger has no item P-9: create it there first, or correct the name"]
    assert not ItemMapping.objects.filter(item="P-9").exists()


def test_what_stands_there_already_is_warned_of_and_not_held_against_another_change(browser, busy):
    """Who adds a cost centre corrects no item; who changes the item, or the ledger, is held to it."""
    busy["erp-us"].missing.add(("item", "P-1"))
    mapping = ItemMapping.objects.get(connection="erp-us")
    ItemMapping.objects.filter(id=mapping.id).update(dimensions={})
    address = reverse("admin:q2c_itemmapping_change", args=[mapping.pk])
    client, why = browser("Finance systems"), "cost centre added"
    page = change(client, address, **{"dimensions-cost_center": "CC-410"}, change_reason=why)
    mapping.refresh_from_db()
    assert mapping.dimensions == {"cost_center": "CC-410"}
    assert "erp-us has no item P-1: journals that carry it become cases" in " ".join(said(page))
    busy["erp-us"].missing.add(("item", "P-2"))
    assert "no item P-2" in errors(change(client, address, item="P-2", change_reason=why))["item"][0]
    busy["erp-de"].missing.add(("item", "P-1"))
    moved = change(client, address, connection="erp-de", change_reason=why)
    assert "no item P-1" in errors(moved)["item"][0]


def test_neither_is_a_row_of_a_file(browser, busy):
    busy["erp-us"].missing |= {("item", "P-1"), ("item", "P-2")}
    mapping = ItemMapping.objects.get(connection="erp-us")
    begins = mapping.effective_from.isoformat()
    ItemMapping.objects.filter(id=mapping.id).update(dimensions={})
    client = browser("Finance systems")
    page = preview(client, ItemMapping, HEAD + row(item="P-1", effective_from=begins))
    assert "erp-us has no item P-1: journals that carry it become cases" in page.context["result"].doubts
    confirm(client, ItemMapping, page)
    mapping.refresh_from_db()
    assert mapping.dimensions == {"cost_center": "CC-410"}
    page = preview(client, ItemMapping, HEAD + row(item="P-2", effective_from=begins))
    (one,) = page.context["result"].wrong
    assert "The ledger has no item P-2" in one.what


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
    text = " ".join(said(adds(browser("Finance systems"), **{"dimensions-cost_center": ""})))
    assert "It gives no cost centre, which some accounts require: their journals become cases." in text


def row(**given):
    fields = {"connection": "erp-us", "item": "P-7", "effective_from": "2027-01-01", "center": "CC-410"} | given
    cells = f"PLATFORM,{fields['connection']},{fields['item']},{fields['effective_from']}"
    return f'{cells},"{{""cost_center"": ""{fields["center"]}""}}"\n'


HEAD = "product,connection,item,effective_from,dimensions\n"


@pytest.mark.parametrize(
    ("given", "column", "words"),
    [({"item": "P-9"}, "item", "The ledger has no item P-9: create it there first, or correct the name"),
     ({"connection": "nosuch"}, "connection", "There is no connection nosuch; there are: erp-de, erp-us"),
     ({"connection": "crm"}, "connection", "There is no connection crm; there are: erp-de, erp-us"),
     ({"center": "CC-999"}, "dimensions", "has no value CC-999")],
)  # fmt: skip
def test_a_file_is_refused_what_the_form_is_refused(browser, busy, given, column, words):
    busy["erp-us"].missing.add(("item", "P-9"))
    page = preview(browser("Finance systems"), ItemMapping, HEAD + row(effective_from="2028-01-01") + row(**given))
    assert "confirm_form" not in page.context
    (one,) = page.context["result"].wrong
    assert (one.row, one.column) == (2, column)
    assert words in one.what


def test_an_import_is_asked_for_all_its_rows_before_and_as_it_is_confirmed(browser, busy):
    client = browser("Finance systems")
    busy["erp-us"].inactive |= {("item", "P-7"), ("item", "P-8")}
    text = HEAD + row() + row(item="P-8", effective_from="2028-01-01")
    page = preview(client, ItemMapping, text)
    doubts = [f"erp-us has item {name}, but inactive: journals that carry it become cases" for name in ("P-7", "P-8")]
    assert page.context["result"].doubts == doubts
    assert all(doubt in page.content.decode() for doubt in doubts)
    done = said(confirm(client, ItemMapping, page))
    assert "2 new" in done[0]
    assert done[-2:] == [f"{doubt}." for doubt in doubts]


def test_what_a_ledger_has_no_more_as_it_is_confirmed_is_told_alone(browser, busy):
    """Nothing in: no warnings of what is in."""
    client = browser("Finance systems")
    busy["erp-us"].inactive.add(("item", "P-8"))
    page = preview(client, ItemMapping, HEAD + row() + row(item="P-8", effective_from="2028-01-01"))
    busy["erp-us"].missing.add(("item", "P-7"))
    done = confirm(client, ItemMapping, page)
    assert said(done) == ["Nothing was imported: see below what no longer fits"]
    assert "The ledger has no item P-7" in done.content.decode()
    assert not ItemMapping.objects.filter(item="P-8").exists()


def test_a_case_leads_to_the_form_filled_with_what_it_knows(browser, busy):
    case = Case(
        number=4711, reason="item_mapping_missing", blocker_type="item_mapping", blocker_key="PLATFORM",
        blocker_connection="erp-us", blocker_condition="missing", business_key="ORD-7",
    )  # fmt: skip
    ItemMapping.objects.filter(connection="erp-us").delete()
    client, fix = browser("Finance systems"), cause.fix_of(case)
    page = client.get(fix.href)
    filled = {field.name: field.value() for field in page.context["adminform"].form}
    assert filled["product"] == Product.objects.get(code="PLATFORM").pk
    assert (filled["connection"], filled["change_reason"]) == ("erp-us", "Case 4711: no item for ORD-7")
    assert not said(page)
    change(client, fix.href, item="P-9", effective_from="2026-01-01")
    made = ItemMapping.objects.get(connection="erp-us")
    assert (made.item, made.history.get().history_change_reason) == ("P-9", "Case 4711: no item for ORD-7")


def test_the_form_tells_of_an_item_that_holds_on_other_days(browser, busy):
    ItemMapping.objects.filter(connection="erp-us").update(effective_to="2026-07-01")
    mapping = ItemMapping.objects.get(connection="erp-us")
    (told,) = said(browser("Finance systems").get(f"{ADD}?product=PLATFORM&connection=erp-us"))
    assert "PLATFORM in erp-us is item P-1 there from Jan 1, 2026 to Jun 30, 2026" in told
    assert reverse("admin:q2c_itemmapping_change", args=[mapping.pk]) in told


@pytest.mark.parametrize("product", ["NOBODY", "1", "%00"])
def test_a_product_that_is_none_leaves_the_field_empty(browser, busy, product):
    page = browser().get(f"{ADD}?product={product}&connection=erp-us")
    assert page.status_code in (200, 400)
    if page.status_code == 200:
        assert page.context["adminform"].form["product"].value() is None


def test_the_form_offers_the_values_of_each_dimension_and_says_what_the_history_keeps(browser, busy):
    client = browser("Finance systems")
    ended = {"dimension": Dimension.objects.get(code="cost_center"), "effective_to": "2026-02-01"}
    DimensionValue.objects.create(code="CC-OLD", **ended)
    page = html.unescape(client.get(ADD).content.decode())
    assert 'name="dimensions-cost_center"' in page and '<option value="CC-410">' in page
    assert '<option value="CC-OLD">' not in page
    assert "Reason (optional)" in page and "the history says “Added”" in page
    mapping = ItemMapping.objects.first()
    assert (
        "Reason (optional)"
        not in client.get(reverse("admin:q2c_itemmapping_change", args=[mapping.pk])).content.decode()
    )
