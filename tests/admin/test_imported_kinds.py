"""Each kind of record that a file brings: a new one, a changed one, and a row that does not fit, as production runs it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from exceptions.models import Holiday, Policy
from ledger.models import (
    Account,
    Dimension,
    DimensionRule,
    DimensionValue,
    FiscalPeriod,
    FxRate,
    LegalEntity,
    PostingRule,
)
from q2c.models import CommercialPolicy, Connection, Customer, ItemMapping, ListPrice, Product, TaxNexus
from tests.admin.forms import change, errors, said
from tests.admin.test_imports import IMPORTED, confirm, preview

pytestmark = pytest.mark.django_db
LINES = '"[{""position"": 1, ""measure"": ""net"", ""side"": ""credit"", ""account_role"": ""sales""}]"'
# model → (columns, a new row, the same changed, a row that does not fit, its column, words)
KINDS = {
    LegalEntity: (
        "code,name,functional_currency,country,timezone,erp_connection", "FR01,France,EUR,FR,Europe/Paris,erp-de",
        "FR01,France SAS,EUR,FR,Europe/Paris,erp-de", "IT01,Italy,EUR,IT,Europe/Rome,nosuch", "erp_connection",
        "nosuch; there are: erp-",
    ),
    Account: (
        "entity,code,name,type,effective_from", "DE01,8400,Sales at home,revenue,2026-01-01",
        "DE01,8400,Sales in Germany,revenue,2026-01-01", "DE01,8401,Sales,income,2026-01-01", "type", "not a valid choice",
    ),
    Dimension: ("code,name", "site,Site", "site,Place", "place,", "name", "Name is missing: fill it in"),
    DimensionValue: (
        "dimension,entity,code,name,effective_from", "cost_center,,CC-900,New ventures,2026-01-01",
        "cost_center,,CC-900,Ventures,2026-01-01", "nosuch,,CC-901,None,2026-01-01", "dimension",
        "There is no dimension nosuch: add it first",
    ),
    DimensionRule: (
        "dimension,account,account_type,requirement,effective_from", "region,4000,,optional,2026-01-01",
        "region,4000,,required,2026-01-01", "region,4000,equity,optional,2026-01-01", "",
        "A rule is for one account or for one account type",
    ),
    FxRate: (
        "from_currency,to_currency,kind,on,rate", "GBP,EUR,spot,2026-11-01,1.15", "GBP,EUR,spot,2026-11-01,1.16",
        "GBP,EUR,spot,2026-11-02,-1", "rate", "A rate is more than 0: correct it",
    ),
    FiscalPeriod: (
        "entity,subledger,name,fiscal_year,starts_on,ends_on", "DE01,revenue,2031-01,2031,2031-01-01,2031-02-01",
        "DE01,revenue,2031-01,2031,2031-01-02,2031-02-01", "DE01,revenue,2031-02,2031,2031-02-01,2031-02-01", "ends_on",
        "The period has no day",
    ),
    PostingRule: (
        "rule_set,name,version,leg,tax_code,effective_from,lines", f"primary,Levy,1,tax,LEVY,2027-01-01,{LINES}",
        f"primary,Levy,1,tax,LEVY,2027-02-01,{LINES}", "primary,Other,1,tax,OTHER,someday,[]", "effective_from",
        "is not a valid date",
    ),
    Customer: ("key,name,parent_key", "C-77,Beta,", "C-77,Beta Group,", "C-78,Gamma,nosuch", "parent_key",
               "There is no customer nosuch"),
    Product: (
        "code,name,kind,revenue_treatment", "SETUP-9,Set-up,one_time,point_in_time", "SETUP-9,Onboarding,one_time,point_in_time",
        "X,,one_time,point_in_time", "name", "Name is missing: fill it in",
    ),
    ListPrice: (
        "product,currency,price_period,unit_price,effective_from", "PLATFORM,EUR,month,44.00,2026-01-01",
        "PLATFORM,EUR,month,46.5,2026-01-01", "PLATFORM,EUR,month,48,2027-01-01", "effective_from",
        "Another list price holds on some of these days: end one before the other begins",
    ),
    ItemMapping: (
        "product,connection,item,effective_from", "PLATFORM,erp-us,PLATFORM,2020-01-01", "PLATFORM,erp-us,SETUP,2020-01-01",
        "PLATFORM,nosuch,PLATFORM,2020-01-01", "connection", "nosuch; there are: erp-",
    ),
    TaxNexus: (
        "entity,country,region,effective_from,registration", "DE01,AT,,2026-01-01,ATU1", "DE01,AT,,2026-01-01,ATU2",
        "XX,AT,,2026-01-01,", "entity", "There is no entity XX; there are: DE01",
    ),
    CommercialPolicy: ("entity,discount_limit_percent", "DE01,20", "DE01,25", "XX,20", "entity", "There is no entity XX"),
    Holiday: ("team,day,name", "billing-ops,2027-05-01,May Day", "billing-ops,2027-05-01,Labour Day",
              "nosuch,2027-05-01,May Day", "team", "There is no team nosuch: add it first"),
    Connection: (
        "name,title,vendor,service,base_url", "erp-uk,UK,netsuite,journals,https://2.suitetalk.example",
        "erp-uk,United Kingdom,netsuite,journals,https://2.suitetalk.example", "x,X,acme,crm,https://x.example", "vendor",
        "there are salesforce",
    ),
}  # fmt: skip


def test_every_kind_stands_here():
    assert set(KINDS) | {Policy} == set(IMPORTED)


@pytest.mark.parametrize("model", KINDS, ids=[model.__name__ for model in KINDS])
def test_a_new_row_a_changed_one_and_a_wrong_one(browser, company, model):
    columns, new, changed, wrong, column, words = KINDS[model]
    client, before = browser(), model.objects.count()
    page = preview(client, model, f"{columns}\n{new}\n")
    assert [row.import_type for row in page.context["result"].valid_rows()] == ["new"], mistakes(page)
    assert "1 new, 0 updated" in said(confirm(client, model, page))[0]
    assert model.objects.count() == before + 1
    page = preview(client, model, f"{columns}\n{changed}\n")
    assert [row.import_type for row in page.context["result"].valid_rows()] == ["update"], mistakes(page)
    assert "0 new, 1 updated" in said(confirm(client, model, page))[0]
    page = preview(client, model, f"{columns}\n{new}\n{wrong}\n")
    assert "confirm_form" not in page.context
    ((row, named, text),) = mistakes(page)
    assert (row, named) == (2, column)
    assert words in text
    assert model.objects.count() == before + 1


def test_two_rows_of_one_record_are_told(browser, company):
    columns, new, changed, *_ = KINDS[FxRate]
    page = preview(browser(), FxRate, f"{columns}\n{new}\nGBP,EUR,spot,2026-11-03,1.1\n{changed}\n")
    assert "confirm_form" not in page.context
    assert mistakes(page) == [(3, "", "It is the same record as row 1: keep one of the two")]


def test_what_is_written_stands_beside_its_own_column_in_whatever_order(browser, company):
    text = "rate,to_currency,kind,on,from_currency\n-1,EUR,spot,2026-11-02,GBP\n,EUR,spot,2026-11-03,GBP\n"
    page = preview(browser(), FxRate, text)
    assert [(one.row, one.column, one.given) for one in page.context["result"].wrong] == [
        (1, "rate", "-1"), (2, "rate", ""),
    ]  # fmt: skip
    assert mistakes(page)[1][2] == "Rate is missing: fill it in"
    assert "cannot be null" not in page.content.decode() and "Constraint" not in page.content.decode()


def test_forms_say_it_in_the_same_words(browser, company):
    given = {"from_currency": "GBP", "to_currency": "EUR", "kind": "spot", "on": "2026-11-02", "rate": "-1"}
    page = change(browser(), reverse("admin:ledger_fxrate_add"), **given)
    assert errors(page) == {"rate": ["A rate is more than 0: correct it"]}


def mistakes(page):
    return [(one.row, one.column, one.what) for one in page.context["result"].wrong]
