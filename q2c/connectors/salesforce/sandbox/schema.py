"""The objects of the sandbox org: their fields with types, required fields, relationships and key prefixes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from q2c.connectors.salesforce.webhook import long_id

_AUDIT = {
    "Id": "id", "IsDeleted": "boolean", "CreatedDate": "datetime", "LastModifiedDate": "datetime",
    "SystemModstamp": "datetime",
}  # fmt: skip
_DERIVED = frozenset(_AUDIT)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _fields(**types: str) -> dict[str, str]:
    """`string="Name Type"` and so on, as field name → type."""
    return {name: kind for kind, names in types.items() for name in names.split()}


@dataclass(frozen=True)
class SObject:
    """`parents`: relationship name → (field, object). `children`: relationship name → (object, field there)."""

    name: str
    prefix: str
    fields: Mapping[str, str]
    required: tuple[str, ...] = ()
    parents: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    children: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    read_only: frozenset[str] = _DERIVED
    external_ids: tuple[str, ...] = ()

    def canonical(self, name: str) -> str | None:
        """The field's own spelling; SOQL does not mind the case."""
        return next((each for each in self.fields if each.lower() == name.lower()), None)

    def with_fields(self, names: Iterable[str]) -> SObject:
        """The same object with more custom fields, all text."""
        more = {name: "string" for name in names if name not in self.fields}
        return SObject(
            self.name, self.prefix, {**self.fields, **more}, self.required, self.parents, self.children,
            self.read_only, self.external_ids,
        )  # fmt: skip


ACCOUNT = SObject(
    name="Account",
    prefix="001",
    fields={
        **_AUDIT,
        **_fields(
            string="Name AccountNumber Type Industry CurrencyIsoCode Billing_Email__c BillingStreet BillingCity "
            "BillingState BillingPostalCode BillingCountry ShippingStreet ShippingCity ShippingState "
            "ShippingPostalCode ShippingCountry",
            reference="ParentId OwnerId",
            boolean="Active__c Pays_For_Itself__c",
        ),
    },
    required=("Name",),
    parents={"Parent": ("ParentId", "Account")},
    children={"Opportunities": ("Opportunity", "AccountId"), "ChildAccounts": ("Account", "ParentId")},
    external_ids=("AccountNumber",),
)
OPPORTUNITY = SObject(
    name="Opportunity",
    prefix="006",
    fields={
        **_AUDIT,
        **_fields(
            string="Name StageName Type ForecastCategory ForecastCategoryName CurrencyIsoCode Order_Number__c "
            "Contract_Entity__c Billing_Order_Number__c Billing_Status__c Description NextStep LeadSource",
            reference="AccountId OwnerId ContactId CampaignId Pricebook2Id",
            date="CloseDate Contract_Start__c",
            double="Amount Probability ExpectedRevenue Term_Months__c Payment_Term_Days__c",
            boolean="IsClosed IsWon HasOpportunityLineItem",
            datetime="LastStageChangeDate",
        ),
    },
    required=("Name", "StageName", "CloseDate"),
    parents={"Account": ("AccountId", "Account")},
    children={"OpportunityLineItems": ("OpportunityLineItem", "OpportunityId")},
    read_only=_DERIVED | {"IsClosed", "IsWon", "HasOpportunityLineItem", "ExpectedRevenue", "LastStageChangeDate"},
    external_ids=("Order_Number__c",),
)
LINE = SObject(
    name="OpportunityLineItem",
    prefix="00k",
    fields={
        **_AUDIT,
        **_fields(
            string="ProductCode Name Description CurrencyIsoCode Line_Kind__c Invoice_Group__c Region__c "
            "Legal_Entity__c Group_Currency__c Ship_To_Country__c Ship_To_Region__c Ship_To_City__c "
            "Ship_To_Postal_Code__c Ship_To_Street__c Price_Period__c Billing_Frequency__c Billing_Alignment__c "
            "Billing_Timing__c Revenue_Treatment__c Phases__c Usage_Terms__c",
            reference="OpportunityId PricebookEntryId Product2Id Bill_To__c",
            double="Quantity UnitPrice ListPrice Subtotal TotalPrice Discount SortOrder Contract_Amount__c "
            "Discount_Amount__c",
            date="ServiceDate",
            boolean="HasQuantitySchedule HasRevenueSchedule HasSchedule",
        ),
    },
    required=("OpportunityId", "Quantity"),
    parents={"Opportunity": ("OpportunityId", "Opportunity"), "Product2": ("Product2Id", "Product2")},
    read_only=_DERIVED | {"Subtotal", "TotalPrice", "ProductCode"},
)
PRODUCT = SObject(
    name="Product2",
    prefix="01t",
    fields={**_AUDIT, **_fields(string="Name ProductCode Description Family", boolean="IsActive")},
    required=("Name",),
    external_ids=("ProductCode",),
)
TASK = SObject(
    name="Task",
    prefix="00T",
    fields={
        **_AUDIT,
        **_fields(string="Subject Status Priority Description", reference="WhatId OwnerId", date="ActivityDate"),
    },
)
OBJECTS = {each.name: each for each in (ACCOUNT, OPPORTUNITY, LINE, PRODUCT, TASK)}


def find(name: str) -> SObject | None:
    """By name, whatever its case."""
    return next((each for each in OBJECTS.values() if each.name.lower() == name.lower()), None)


def record_id(prefix: str, number: int) -> str:
    """An 18-character id from a sequence number: `0065g0000000001` and its checksum."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    return long_id(f"{prefix}5g{digits.rjust(10, '0')}")
