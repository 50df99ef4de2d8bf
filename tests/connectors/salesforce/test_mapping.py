"""An opportunity as Salesforce answers it becomes an order document, or a BadDeal that names the field."""

from __future__ import annotations

import copy
import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from q2c.connectors.ports import BadDeal, Deal
from q2c.connectors.salesforce import mapping
from q2c.connectors.salesforce.fields import Fields, quoted

ACME, GROUP, MUNICH = "0015g00000XyZ12AAB", "0015g00000XyZ13AAB", "0015g00000XyZ14AAB"


def account(key: str, number: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "Id": key, "ParentId": parent, "AccountNumber": number, "Name": f"Company {number}", "Active__c": True,
        "Pays_For_Itself__c": False, "Billing_Email__c": None, "BillingCountry": "US", "BillingState": "CA",
        "BillingCity": "San Francisco", "BillingPostalCode": "94105", "BillingStreet": "1 Market St", **more,
    }  # fmt: skip


ACCOUNTS = {
    ACME: account(ACME, "C-100", GROUP),
    GROUP: account(GROUP, "C-1", Pays_For_Itself__c=True),
    MUNICH: account(MUNICH, "C-101", GROUP, BillingCountry="DE", BillingState=None),
}


def line(number: int, **more: Any) -> dict[str, Any]:
    return {
        "attributes": {"type": "OpportunityLineItem"}, "Id": f"00k5g0000000{number:03d}AAA", "SortOrder": number,
        "ProductCode": "SUB-ENT", "Quantity": Decimal("10.0"), "UnitPrice": Decimal("200.0"),
        "TotalPrice": Decimal("2000.0"), "Contract_Amount__c": Decimal("24000.0"), "Discount_Amount__c": None,
        "Line_Kind__c": "Recurring", "Invoice_Group__c": "US", "Region__c": "US", "Legal_Entity__c": None,
        "Bill_To__c": None, "Group_Currency__c": None, "Ship_To_Country__c": "US", "Ship_To_Region__c": "CA",
        "Price_Period__c": "Month", "Billing_Frequency__c": "Monthly", "Billing_Alignment__c": "Term start",
        "Billing_Timing__c": None, "Revenue_Treatment__c": "Ratable daily", "Phases__c": None,
        "Usage_Terms__c": None, "Description": "Enterprise", **more,
    }  # fmt: skip


def opportunity(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    children = {"totalSize": len(lines), "done": True, "records": list(lines)} if lines else None
    return {
        "attributes": {"type": "Opportunity"}, "Id": "0065g00000AbCdEAAV", "Name": "Acme renewal", "AccountId": ACME,
        "CloseDate": "2026-01-15", "SystemModstamp": "2026-01-15T09:30:01.000+0000", "CurrencyIsoCode": "USD",
        "Order_Number__c": "SO-1001", "Contract_Start__c": "2026-02-01", "Term_Months__c": Decimal("12.0"),
        "Contract_Entity__c": "US01", "Payment_Term_Days__c": None, "OpportunityLineItems": children, **more,
    }  # fmt: skip


def mapped(record: dict[str, Any], **options: Any) -> Deal:
    deal = mapping.deal_of(record, ACCOUNTS, options)
    assert isinstance(deal, Deal), deal
    return deal


def test_a_deal_with_two_groups_phases_and_usage():
    phases = '[{"starts_on":"2026-02-01","ends_on":"2026-08-01","quantity":10,"unit_price":200.50}]'
    usage = '{"meter":"GB","included_quantity":1000,"tiers":[{"up_to":5000,"unit_price":0.10},{"unit_price":"0.05"}]}'
    record = opportunity(
        line(1, Phases__c=phases),
        line(2, Line_Kind__c="One-time", Contract_Amount__c=None, TotalPrice=Decimal("500.25"), Price_Period__c=None,
             Billing_Frequency__c=None, Revenue_Treatment__c="Point in time", Quantity=Decimal(1)),
        line(3, Line_Kind__c="Usage", Contract_Amount__c=None, Invoice_Group__c="DE", Region__c="EU", Bill_To__c=MUNICH,
             Group_Currency__c="EUR", Legal_Entity__c="DE01", Ship_To_Country__c="DE", Ship_To_Region__c=None,
             UnitPrice=Decimal(0), Usage_Terms__c=usage, Revenue_Treatment__c="usage_as_billed"),
    )  # fmt: skip
    document = mapped(record).document
    assert (document.order_number, document.customer, document.term_months) == ("SO-1001", "C-100", 12)
    assert document.starts_on == dt.date(2026, 2, 1)
    assert [(g.key, g.legal_entity, g.bill_to, g.currency) for g in document.groups] == [
        ("US", None, "C-100", "USD"),
        ("DE", "DE01", "C-101", "EUR"),
    ]
    assert [(x.kind, x.amount_minor, x.billing.frequency, x.billing.timing) for x in document.lines] == [
        ("recurring", 2_400_000, "monthly", "in_advance"),
        ("one_time", 50_025, "once", "in_advance"),
        ("usage", 0, "monthly", "in_arrears"),
    ]
    assert document.lines[0].phases[0].unit_price == "200.50"
    assert document.lines[2].usage.included_quantity == "1000"
    assert [tier.unit_price for tier in document.lines[2].usage.tiers] == ["0.10", "0.05"]
    parties = {party.key: party for party in document.parties}
    assert set(parties) == {"C-100", "C-1", "C-101"}
    assert parties["C-100"].parent == "C-1"
    assert parties["C-1"].pays_for_itself


def test_amounts_keep_the_decimals_of_their_currency():
    yen = mapped(opportunity(line(1, Contract_Amount__c=Decimal("24000.0")), CurrencyIsoCode="JPY"))
    assert yen.document.lines[0].amount_minor == 24_000
    bad = mapping.deal_of(
        opportunity(line(1, Contract_Amount__c=Decimal("24000.5")), CurrencyIsoCode="JPY"), ACCOUNTS, {}
    )
    assert isinstance(bad, BadDeal)
    assert bad.field == "Contract_Amount__c"


@pytest.mark.parametrize(("said", "told"), [(Decimal("250.0"), "250"), (Decimal("0.0"), None), (None, None)])
def test_the_list_price_where_there_is_one(said, told):
    assert mapped(opportunity(line(1, ListPrice=said))).document.lines[0].list_price == told


def test_our_own_write_back_is_no_new_version():
    before = mapped(opportunity(line(1)))
    after = mapped(opportunity(line(1), SystemModstamp="2026-01-16T00:00:00.000+0000", Billing_Status__c="Active"))
    changed = mapped(opportunity(line(1, Quantity=Decimal(11))))
    assert before.version == after.version != changed.version


def test_a_loop_of_accounts_ends_and_is_passed_on():
    looped = {**ACCOUNTS, GROUP: account(GROUP, "C-1", ACME)}
    deal = mapping.deal_of(opportunity(line(1)), looped, {})
    assert isinstance(deal, Deal)
    assert {party.key: party.parent for party in deal.document.parties} == {"C-100": "C-1", "C-1": "C-100"}


BAD = [
    ({"Order_Number__c": None}, {}, "Order_Number__c"),
    ({"Term_Months__c": Decimal("1.5")}, {}, "Term_Months__c"),
    ({"Term_Months__c": Decimal("0")}, {}, "Term_Months__c"),
    ({"Contract_Start__c": "2026-02-30"}, {}, "Contract_Start__c"),
    ({"CurrencyIsoCode": None}, {}, "CurrencyIsoCode"),
    ({"CurrencyIsoCode": "XXX"}, {}, "Contract_Amount__c"),
    ({"AccountId": None}, {}, "Bill_To__c"),
    ({"OpportunityLineItems": None}, {}, "OpportunityLineItems"),
    ({}, {"ProductCode": None}, "ProductCode"),
    ({}, {"Quantity": Decimal("-1")}, "Quantity"),
    ({}, {"Contract_Amount__c": None}, "Contract_Amount__c"),
    ({}, {"Contract_Amount__c": Decimal("1.005")}, "Contract_Amount__c"),
    ({}, {"Discount_Amount__c": Decimal("-5")}, "Discount_Amount__c"),
    ({}, {"Line_Kind__c": "Lease"}, "Line_Kind__c"),
    ({}, {"Billing_Frequency__c": "Weekly"}, "Billing_Frequency__c"),
    ({}, {"Revenue_Treatment__c": None}, "Revenue_Treatment__c"),
    ({}, {"Bill_To__c": "0015g00000UnknoAAB"}, "Bill_To__c"),
    ({}, {"Ship_To_Country__c": "United States"}, "Ship_To_Country__c"),
    ({}, {"Phases__c": "[{"}, "Phases__c"),
    ({}, {"Phases__c": '[{"starts_on":"2026-02-01"}]'}, "Phases__c"),
    ({}, {"Phases__c": "7"}, "Phases__c"),
    ({}, {"Phases__c": "[" * 3000}, "Phases__c"),
    ({}, {"Usage_Terms__c": "[" * 3000}, "Usage_Terms__c"),
    ({}, {"Quantity": "1e999"}, "Quantity"),
    ({"Term_Months__c": Decimal("Infinity")}, {}, "Term_Months__c"),
    ({"Term_Months__c": Decimal("1e400")}, {}, "Term_Months__c"),
    # Half a character: our own failure, of this deal only.
    ({"Name": "Acme \ud800"}, {"Description": "\ud800"}, ""),
    ({}, {"Usage_Terms__c": '{"tiers":[{"unit_price":"-1"}]}'}, "Usage_Terms__c"),
]


@pytest.mark.parametrize(("deal", "of_line", "field"), BAD, ids=[f"{field}-{i}" for i, (_, _, field) in enumerate(BAD)])
def test_what_cannot_be_mapped_is_kept_and_named(deal, of_line, field):
    found = mapping.deal_of(opportunity(line(1, **of_line), **deal), ACCOUNTS, {})
    assert isinstance(found, BadDeal), found
    assert found.field == field
    assert found.source_id == "0065g00000AbCdEAAV"
    assert json.loads(json.dumps(found.raw, ensure_ascii=False).encode())["Id"] == found.source_id


def test_a_group_is_one_region_entity_payer_and_place():
    found = mapping.deal_of(opportunity(line(1), line(2, Region__c="EU")), ACCOUNTS, {})
    assert isinstance(found, BadDeal)
    assert (found.field, "00k5g0000000002AAA" in found.text) == ("Region__c", True)


def test_an_org_with_other_names_and_one_currency():
    record = opportunity(line(1))
    del record["CurrencyIsoCode"]
    record["Legacy_No__c"] = record.pop("Order_Number__c")
    record["OpportunityLineItems"]["records"][0]["Ship_To_Country__c"] = "United States"
    options = {
        "fields": {"opportunity": {"order_number": "Legacy_No__c", "currency": ""}, "account": {"key": "Id"}},
        "currency": "USD",
        "countries": {"United States": "US"},
    }
    document = mapped(record, **options).document
    assert (document.order_number, document.currency, document.customer) == ("SO-1001", "USD", ACME)
    soql = Fields.of(options).deal_query()
    assert "Legacy_No__c" in soql
    assert "CurrencyIsoCode" not in soql


def test_the_record_is_not_changed_by_mapping():
    record = opportunity(line(1))
    before = copy.deepcopy(record)
    mapped(record)
    assert record == before


def test_a_literal_cannot_leave_its_quotes():
    assert quoted("O'Hara\\") == "'O\\'Hara\\\\'"
