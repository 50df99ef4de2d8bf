"""Keys that orders and invoices hold as text stay as they are once held; limits of policies mean something."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from ledger.models import LegalEntity
from q2c.models import CommercialPolicy, Customer, Product
from tests.admin.forms import change, errors
from tests.admin.test_changes import address

pytestmark = pytest.mark.django_db

NAMED = {
    "product": (lambda: Product.objects.get(code="PLATFORM"), "code"),
    "entity": (lambda: LegalEntity.objects.get(code="DE01"), "code"),
    "customer": (lambda: Customer.objects.get_or_create(key="ACME", defaults={"name": "Acme GmbH"})[0], "key"),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_orders_and_invoices_name_keeps_its_key(browser, busy, name):
    find, column = NAMED[name]
    record = find()
    key = getattr(record, column)
    page = change(browser(), address(record), **{column: f"{key}-X"}, change_reason="Renamed")
    told = errors(page)["__all__"][0]
    assert f"{name} {key} is named by orders, invoices or other records: its {column} stays" in told
    assert "make it inactive and add a new one" in told
    assert page.context["adminform"].form[column].value() == f"{key}-X", "nothing typed is lost"
    with pytest.raises(IntegrityError, match="stays"), transaction.atomic():
        type(record).objects.filter(pk=record.pk).update(**{column: "OTHER"})
    # All else may change.
    change(browser("Controller"), address(record), change_reason="Looked at")
    type(record).objects.filter(pk=record.pk).update(name="Another name")
    assert getattr(find(), column) == key


@pytest.mark.parametrize("name", NAMED)
def test_what_orders_and_invoices_name_is_not_deleted(browser, busy, name):
    find, _ = NAMED[name]
    record = find()
    told = browser().post(f"{address(record).removesuffix('change/')}delete/", {"post": "yes"}, follow=True)
    assert find().pk == record.pk and told.status_code in (200, 403)
    # Whatever else would keep it, and whoever asks.
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"DELETE FROM {record._meta.db_table} WHERE id = %s", [record.pk])


def test_a_parent_keeps_its_key_for_those_below_it(browser, busy):
    above = Customer.objects.create(key="C-ABOVE", name="Above")
    Customer.objects.create(key="C-BELOW", name="Below", parent_key="C-ABOVE")
    page = change(browser(), address(above), key="C-TOP", change_reason="Renamed")
    assert "its key stays" in errors(page)["__all__"][0]


def test_what_nothing_names_is_renamed(browser, busy):
    product = Product.objects.create(
        code="TYPO", name="Typo", kind="recurring", product_line="subscription", revenue_treatment="ratable_daily",
        tax_code="SW056000",
    )  # fmt: skip
    change(browser(), address(product), code="TYPED", change_reason="It was a slip")
    assert Product.objects.get(pk=product.pk).code == "TYPED"


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("discount_limit_percent", "150", "A discount is from 0 to 100 percent"),
        ("discount_limit_percent", "-5", "A discount is from 0 to 100 percent"),
        ("usage_limit_percent", "-1", "A limit of usage is 0 percent or more"),
        ("tax_tolerance_percent", "-3", "A tolerance is from 0 to 100 points"),
        ("tax_tolerance_percent", "100.01", "A tolerance is from 0 to 100 points"),
    ],
)
def test_limits_of_a_policy_have_bounds(browser, busy, column, value, words):
    policy = CommercialPolicy.objects.get(entity="")
    page = change(browser(), address(policy), **{column: value}, change_reason="Typed in haste")
    assert words in errors(page)[column][0]
    with pytest.raises(IntegrityError, match="policy_"), transaction.atomic():
        CommercialPolicy.objects.filter(pk=policy.pk).update(**{column: value})


@pytest.mark.parametrize("value", ["0", "100"])
def test_limits_at_their_ends_are_taken(browser, busy, value):
    policy = CommercialPolicy.objects.get(entity="")
    limits = {"discount_limit_percent": value, "tax_tolerance_percent": value, "usage_limit_percent": value}
    change(browser(), address(policy), **limits, change_reason="On purpose")
    policy.refresh_from_db()
    assert {float(getattr(policy, name)) for name in limits} == {float(value)}
