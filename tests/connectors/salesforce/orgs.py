"""A small company in the sandbox: three accounts, two products, two apps; and deals to put into it."""

from __future__ import annotations

import functools
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from q2c.connectors.ports import ConnectionConfig
from q2c.connectors.salesforce.client import Salesforce
from tests.connectors.control import sandbox_url

SECRET_APP = {"consumer_key": "key-secret", "consumer_secret": "a secret", "username": "q2c@acme.example"}


@functools.cache
def keypair() -> tuple[str, str]:
    """(private, public) as PEM; made once per run."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def jwt_app() -> dict[str, str]:
    return {"consumer_key": "key-jwt", "username": "q2c@acme.example", "public_key": keypair()[1]}


def company() -> dict[str, Any]:
    return {
        "apps": [SECRET_APP, jwt_app()],
        "products": [{"ProductCode": "SUB-ENT", "Name": "Enterprise"}, {"ProductCode": "SETUP"}],
        "accounts": [
            {"AccountNumber": "C-1", "Name": "Acme Group", "Pays_For_Itself__c": True, "BillingCountry": "US"},
            {"AccountNumber": "C-100", "Name": "Acme Inc", "Parent": "C-1", "BillingCountry": "US"},
            {"AccountNumber": "C-101", "Name": "Acme München", "Parent": "C-1", "BillingCountry": "DE"},
        ],
    }


def line(**more: Any) -> dict[str, Any]:
    return {
        "ProductCode": "SUB-ENT", "Quantity": 10, "UnitPrice": "200.00", "Contract_Amount__c": "24000.00",
        "Line_Kind__c": "Recurring", "Region__c": "US", "Ship_To_Country__c": "US", "Price_Period__c": "Month",
        "Billing_Frequency__c": "Monthly", "Revenue_Treatment__c": "Ratable daily", **more,
    }  # fmt: skip


def deal(number: str, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "Order_Number__c": number, "Name": f"Deal {number}", "Account": "C-100", "CloseDate": "2026-01-15",
        "CurrencyIsoCode": "USD", "Contract_Start__c": "2026-02-01", "Term_Months__c": 12,
        "Contract_Entity__c": "US01", "lines": list(lines) or [line()], **more,
    }  # fmt: skip


def config(*, jwt: bool = False, time_limit_s: float = 5.0, base_url: str = "", **options: Any) -> ConnectionConfig:
    credentials = {"consumer_key": "key-secret", "consumer_secret": "a secret"}
    if jwt:
        app = jwt_app()
        credentials = {**app, "private_key": keypair()[0]}
    return ConnectionConfig(
        name="crm", vendor="salesforce", base_url=base_url or sandbox_url("salesforce"), credentials=credentials,
        options=options, time_limit_s=time_limit_s,
    )  # fmt: skip


def connect(**more: Any) -> Salesforce:
    return Salesforce(config(**more))
