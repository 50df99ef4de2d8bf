"""CustomerDocument → Zuora account, and what of an account must be equal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from q2c.connectors.zuora.orders import payment_term
from q2c.contracts.documents import CustomerDocument

KEY_FIELD = "Q2C_Key__c"


def account_body(
    customer: CustomerDocument, key: str, parent_id: str | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The body of POST /v1/accounts. The account number is our customer key: Zuora has each number once."""
    body: dict[str, Any] = {
        "name": customer.name[:255],
        "currency": customer.currency,
        "accountNumber": customer.key,
        "crmId": customer.crm_id,
        "parentId": parent_id,
        "billCycleDay": int(options.get("bill_cycle_day", 1)),
        "autoPay": False,
        "batch": str(options.get("batch") or ""),
        "paymentTerm": payment_term(customer.payment_term_days, options),
        "billToContact": _contact(customer, options),
        KEY_FIELD: key,
    }
    return {name: value for name, value in body.items() if value not in (None, "")}


def _contact(customer: CustomerDocument, options: Mapping[str, Any]) -> dict[str, str]:
    address = customer.address
    found = {
        "firstName": str(options.get("contact_first_name") or "Accounts"),
        "lastName": str(options.get("contact_last_name") or "Payable"),
        "workEmail": customer.email,
    }
    if address is not None:
        found |= {
            "country": address.country,
            "state": address.region,
            "city": address.city,
            "zipCode": address.postal_code,
            "address1": address.line1,
        }
    return {name: value for name, value in found.items() if value}


def differences(customer: CustomerDocument, parent_id: str | None, account: Mapping[str, Any]) -> list[str]:
    """What GET /v1/accounts says otherwise than the document, in words."""
    basic, billing = account.get("basicInfo") or {}, account.get("billingAndPayment") or {}
    pairs = (
        ("name", customer.name[:255], basic.get("name")),
        ("currency", customer.currency, billing.get("currency")),
        ("parent", parent_id or "", basic.get("parentId") or ""),
    )
    return [f"{name} is {theirs!r}, not {ours!r}" for name, ours, theirs in pairs if ours != theirs]
