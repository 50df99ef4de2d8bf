"""Which Salesforce field holds what. Standard objects know no term or billing, so each name can be configured.

`config.options["fields"]` may hold {"opportunity": {…}, "line": {…}, "account": {…}} with the names of one's own
org; an empty name means that the org has no such field: it is then not read, and its default holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OPPORTUNITY = {
    "order_number": "Order_Number__c",
    "starts_on": "Contract_Start__c",
    "term_months": "Term_Months__c",
    "contract_entity": "Contract_Entity__c",
    "payment_term_days": "Payment_Term_Days__c",
    "currency": "CurrencyIsoCode",
    "closed_on": "CloseDate",
    "description": "Name",
}
LINE = {
    "product": "ProductCode",
    "quantity": "Quantity",
    "unit_price": "UnitPrice",
    "list_price": "ListPrice",
    "amount": "Contract_Amount__c",
    "one_time_amount": "TotalPrice",
    "discount": "Discount_Amount__c",
    "kind": "Line_Kind__c",
    "group": "Invoice_Group__c",
    "region": "Region__c",
    "legal_entity": "Legal_Entity__c",
    "bill_to": "Bill_To__c",
    "group_currency": "Group_Currency__c",
    "ship_to_country": "Ship_To_Country__c",
    "ship_to_region": "Ship_To_Region__c",
    "ship_to_city": "Ship_To_City__c",
    "ship_to_postal_code": "Ship_To_Postal_Code__c",
    "ship_to_line1": "Ship_To_Street__c",
    "price_period": "Price_Period__c",
    "frequency": "Billing_Frequency__c",
    "alignment": "Billing_Alignment__c",
    "timing": "Billing_Timing__c",
    "revenue_treatment": "Revenue_Treatment__c",
    "phases": "Phases__c",
    "usage": "Usage_Terms__c",
    "description": "Description",
}
ACCOUNT = {
    "key": "AccountNumber",
    "name": "Name",
    "active": "Active__c",
    "pays_for_itself": "Pays_For_Itself__c",
    "email": "Billing_Email__c",
    "country": "BillingCountry",
    "region": "BillingState",
    "city": "BillingCity",
    "postal_code": "BillingPostalCode",
    "line1": "BillingStreet",
}
# Account.ParentId and four dotted steps more: what SOQL allows. Deeper trees are read by further queries.
PARENT_PATHS = ("AccountId", *(f"Account.{'Parent.' * depth}ParentId" for depth in range(4)))


@dataclass(frozen=True)
class Fields:
    """The names in force, and what they make of the queries."""

    opportunity: Mapping[str, str]
    line: Mapping[str, str]
    account: Mapping[str, str]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Fields:
        own = options.get("fields", {})
        return cls(
            {**OPPORTUNITY, **own.get("opportunity", {})},
            {**LINE, **own.get("line", {})},
            {**ACCOUNT, **own.get("account", {})},
        )

    def deal_query(self) -> str:
        """SELECT … FROM Opportunity, with its lines; WHERE is added by the caller."""
        deal = _distinct("Id", "IsWon", "SystemModstamp", *self.opportunity.values(), *PARENT_PATHS)
        lines = _distinct("Id", "SortOrder", *self.line.values())
        inner = f"(SELECT {lines} FROM OpportunityLineItems ORDER BY SortOrder, Id)"
        return f"SELECT {deal}, {inner} FROM Opportunity"

    def notice_query(self) -> str:
        """What tells that an opportunity changed, and whether it is won."""
        names = _distinct(
            "Id", "IsWon", "IsDeleted", "StageName", "SystemModstamp", self.opportunity["order_number"]
        )  # fmt: skip
        return f"SELECT {names} FROM Opportunity"

    def account_query(self) -> str:
        return f"SELECT {_distinct('Id', 'ParentId', *self.account.values())} FROM Account"


def _distinct(*names: str) -> str:
    return ", ".join(dict.fromkeys(name for name in names if name))


def quoted(value: str) -> str:
    """A SOQL string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
