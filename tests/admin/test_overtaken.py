"""Two people at one record: whoever saves second is told what the first one changed, and loses nothing that was typed."""

from __future__ import annotations

import pytest

from ledger.models import PostingRule
from q2c.models import CommercialPolicy, Customer, ItemMapping, Product
from tests.admin.forms import change, errors, posted
from tests.admin.test_changes import address

pytestmark = pytest.mark.django_db


def test_a_change_based_on_an_older_version_is_refused_once_with_what_changed(browser, busy):
    policy = CommercialPolicy.objects.get(entity="")
    policy.save()
    carla, dmitri = browser("Controller"), browser()
    opened = dmitri.get(address(policy))
    change(carla, address(policy), discount_limit_percent="10", change_reason="Renegotiated")
    form = posted(opened, tax_tolerance_percent="3", change_reason="Rounding of small bills")
    page = dmitri.post(address(policy), form)
    told = errors(page)["__all__"][0]
    assert "controller changed this" in told.lower() and "(Renegotiated)" in told
    assert "discount limit percent from 20.00 to 10.00" in told
    policy.refresh_from_db()
    assert (policy.discount_limit_percent, policy.tax_tolerance_percent) == (
        10,
        policy.history.first().tax_tolerance_percent,
    )
    # What was typed is there, and what was left alone is as it is now: saved again, both changes stand.
    shown = posted(page)
    assert (shown["tax_tolerance_percent"], shown["change_reason"]) == ("3", "Rounding of small bills")
    assert float(shown["discount_limit_percent"]) == 10
    assert dmitri.post(address(policy), shown).status_code == 302
    policy.refresh_from_db()
    assert (policy.discount_limit_percent, policy.tax_tolerance_percent) == (10, 3)


def test_both_changed_the_same_and_the_second_one_decides_knowingly(browser, busy):
    customer = Customer.objects.get(key="C-1")
    one, two = browser("Billing ops"), browser("Sales ops")
    opened = two.get(address(customer))
    change(one, address(customer), name="Acme Holding", active="", change_reason="Renamed in the register")
    page = two.post(address(customer), posted(opened, name="Acme plc", change_reason="They said so"))
    assert "name from Acme Group to Acme Holding" in errors(page)["__all__"][0]
    shown = posted(page)
    assert shown["name"] == "Acme plc" and not shown.get("active")
    two.post(address(customer), shown)
    customer.refresh_from_db()
    assert (customer.name, customer.active) == ("Acme plc", False)


@pytest.mark.parametrize("model", [CommercialPolicy, Customer, ItemMapping, Product, PostingRule])
def test_every_kind_says_from_which_version_it_was_filled(browser, busy, model):
    record = model.objects.filter(used_at=None).first() if model is PostingRule else model.objects.first()
    record.save()
    client = browser()
    page = client.get(address(record))
    assert posted(page)["seen_version"] == str(record.history.first().history_id)
    assert b'type="hidden" name="seen_version"' in page.content
    record.save()
    page = client.post(address(record), posted(page, change_reason="Looked at"))
    assert "changed this" in errors(page)["__all__"][0]
    assert client.post(address(record), posted(page)).status_code == 302


def test_what_the_flow_changed_meanwhile_counts_as_well(browser, busy):
    customer = Customer.objects.get(key="C-1")
    client = browser()
    opened = client.get(address(customer))
    customer.name = "Acme Worldwide"
    customer.save()
    page = client.post(address(customer), posted(opened, email="ap@acme.test", change_reason="New address"))
    assert "q2c changed this" in errors(page)["__all__"][0]
    assert posted(page)["name"] == "Acme Worldwide"


def test_dimensions_that_were_left_alone_show_what_they_are_now(browser, busy):
    mapping = ItemMapping.objects.filter(connection="erp-de").get()
    mapping.dimensions = {}
    mapping.save()
    client = browser()
    opened = client.get(address(mapping))
    mapping.dimensions = {"cost_center": "CC-410"}
    mapping.save()
    page = client.post(
        address(mapping), posted(opened, **{"dimensions-cost_center": ""}, item="P-2", change_reason="x")
    )
    assert "dimensions from nothing to" in errors(page)["__all__"][0]
    shown = posted(page)
    assert (shown["dimensions-cost_center"], shown["item"]) == ("CC-410", "P-2")
