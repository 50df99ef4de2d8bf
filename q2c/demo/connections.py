"""The five systems of Tern Systems: a connection to each, and what its sandbox holds before the year begins."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from ledger.models import Account, DimensionValue
from q2c.demo import catalogue, company
from q2c.demo.company import COMPANIES, ERP
from q2c.demo.customers import Account as Customer
from q2c.demo.platforms import Platforms
from q2c.models import Connection

# Percent by country, and of the US by state: what tax service and billing agree on.
TAX_RATES = {
    ("US", "CA"): "0.0725", ("US", "CO"): "0.029", ("US", "GA"): "0.04", ("US", "IL"): "0.0625",
    ("US", "MA"): "0.0625", ("US", "NY"): "0.04", ("US", "TX"): "0.0625", ("US", "WA"): "0.065",
    ("US", "OH"): "0.0575", ("US", "PA"): "0.06", ("CA", ""): "0.05",
    ("DE", ""): "0.19", ("FR", ""): "0.20", ("NL", ""): "0.21",
    ("GB", ""): "0.20", ("JP", ""): "0.10", ("AU", ""): "0.10",
}  # fmt: skip
_TYPES = {
    "accounts_receivable": "AcctRec", "cash": "Bank", "unbilled_receivable": "UnbilledRec",
    "tax_payable": "OthCurrLiab", "unapplied_cash": "OthCurrLiab", "deferred_revenue": "DeferRevenue",
}  # fmt: skip
_TYPES_OF_KIND = {
    "asset": "OthCurrAsset", "liability": "OthCurrLiab", "equity": "Equity", "revenue": "Income", "expense": "Expense",
}  # fmt: skip
_ACCOUNT = "7104921_SB1"
TAX_ACCOUNT = "2000000001"
NO_ZIP_CODE = "99999"
# Of whom the credit service knows nothing.
CREDIT_DEFAULT = {"soft_limit": "900000.00", "hard_limit": "1500000.00", "currency": "USD"}
CREDIT_RATES = {"USD": "1", "EUR": "1.08", "GBP": "1.27", "CAD": "0.74", "JPY": "0.0067"}
# Seconds that the billing sandbox takes for an order: as a tenant does, and while a year is made in a minute.
JOB_S, JOB_S_LOADING = "0.5", "0"


def connect(platforms: Platforms, customers: list[Customer], since: dt.date, until: dt.date) -> dict[str, Connection]:
    """Connections by name. Secrets are new each time; the sandboxes are emptied and learn them."""
    platforms.reset()
    secret = {name: secrets.token_urlsafe(18) for name in ("crm", "billing", "erp", "erp_token", "tax", "credit")}
    _seed_salesforce(platforms, secret, customers)
    _seed_zuora(platforms, secret)
    _seed_netsuite(platforms, secret, since, until)
    _seed_avatax(platforms, secret)
    _seed_credit(platforms, secret)
    rows = [
        _connection("salesforce", "Salesforce", "crm", {"consumer_key": "q2c", "consumer_secret": secret["crm"]}),
        _connection("zuora", "Zuora", "billing", {"client_id": "q2c", "client_secret": secret["billing"]}),
        _connection(
            ERP, "Oracle NetSuite", "journals", _erp_credentials(secret), account=_ACCOUNT, segments={
                "cost_center": "department", "product_line": "class", "region": "location",
            },
        ),
        _connection("avatax", "Avalara AvaTax", "tax", {"account_id": TAX_ACCOUNT, "license_key": secret["tax"]}),
        _connection("credit", "Creditwatch", "credit", {"api_key": secret["credit"]}),
    ]  # fmt: skip
    for row in rows:
        row.save()
    return {row.name: row for row in rows}


def _connection(vendor: str, title: str, service: str, credentials: dict[str, str], **options: Any) -> Connection:
    return Connection(
        name=vendor, title=title, vendor=vendor, service=service, base_url=f"sandbox://{vendor}",
        credentials=credentials, options=options,
    )  # fmt: skip


def _erp_credentials(secret: dict[str, str]) -> dict[str, str]:
    return {
        "consumer_key": "q2c", "consumer_secret": secret["erp"], "token_id": "q2c-integration",
        "token_secret": secret["erp_token"],
    }  # fmt: skip


def _seed_salesforce(platforms: Platforms, secret: dict[str, str], customers: list[Customer]) -> None:
    platforms.seed(
        "salesforce",
        {
            "apps": [{"consumer_key": "q2c", "consumer_secret": secret["crm"], "username": "q2c@tern.example"}],
            "daily_limit": 1_000_000,
            "products": [{"ProductCode": good.code, "Name": good.name} for good in catalogue.GOODS],
            "accounts": [customer.seed() for customer in customers],
        },
    )


def _seed_zuora(platforms: Platforms, secret: dict[str, str]) -> None:
    platforms.seed(
        "zuora",
        {
            "clients": [{"client_id": "q2c", "client_secret": secret["billing"]}],
            "job_s": JOB_S_LOADING,
            "tax_rates": [
                {"country": country, "region": region, "name": f"{region or country} tax", "rate": rate}
                for (country, region), rate in TAX_RATES.items()
            ],
            "products": [billing_product(good) for good in catalogue.GOODS if good.code != "EDGE-BOX-2"],
        },
    )


def billing_product(good: catalogue.Good) -> dict[str, str]:
    """A product as the billing sandbox takes it."""
    return {"sku": good.code, "name": good.name, "tax_code": good.tax_code, "uom": good.meter}


def _seed_netsuite(platforms: Platforms, secret: dict[str, str], since: dt.date, until: dt.date) -> None:
    segments: dict[str, list[dict[str, str]]] = {"departments": [], "classes": [], "locations": []}
    names = {"cost_center": "departments", "product_line": "classes", "region": "locations"}
    for value in DimensionValue.objects.select_related("dimension"):
        segments[names[value.dimension.code]].append({"key": value.code, "name": value.name or value.code})
    platforms.seed(
        ERP,
        {
            "account": _ACCOUNT,
            "concurrency_limit": 40,
            "tokens": [_erp_credentials(secret)],
            "currencies": [
                {"symbol": code, "decimals": 0 if code == "JPY" else 2, "exchange_rate": rate, "base": code == "USD"}
                for code, rate in company.DOLLARS.items()
            ],
            "subsidiaries": [
                {"key": one.code, "name": one.name, "currency": one.currency, "country": one.country,
                 "parent": None if one is company.PARENT else company.PARENT.code}
                for one in COMPANIES
            ],
            "accounts": [
                {"number": account.code, "name": account.name, "type": _erp_type(account)}
                for account in Account.objects.filter(entity=None)
            ],
            **segments,
            "items": [{"key": f"ITEM-{good.code}", "name": good.name} for good in catalogue.GOODS],
            "periods": {"first": f"{since:%Y-%m}", "last": f"{until + dt.timedelta(days=62):%Y-%m}"},
        },
    )  # fmt: skip


def _erp_type(account: Account) -> str:
    role = account.role.partition(":")[0]
    return _TYPES.get(role, _TYPES_OF_KIND[account.type])


def _seed_avatax(platforms: Platforms, secret: dict[str, str]) -> None:
    platforms.seed(
        "avatax",
        {
            "accounts": [{"account_id": TAX_ACCOUNT, "license_key": secret["tax"]}],
            "companies": [{"code": one.code, "name": one.name, "nexus": nexus_of(one.code)} for one in COMPANIES],
            "rates": [
                {"country": country, "region": region, "name": region or country,
                 "type": "State" if region else "Country", "rate": rate}
                for (country, region), rate in TAX_RATES.items()
            ],
            "tax_codes": sorted({good.tax_code for good in catalogue.GOODS}),
            "bad_addresses": [
                {"country": "US", "region": state, "postal_code": NO_ZIP_CODE,
                 "message": f"The address is not deliverable: {state} has no ZIP code {NO_ZIP_CODE}."}
                for state in catalogue.US_STATES
            ],
        },
    )  # fmt: skip


def nexus_of(entity: str) -> list[str]:
    """An entity's registrations as the tax service writes them: US-CA, DE."""
    return [f"{country}-{region}" if region else country for code, country, region in catalogue.NEXUS if code == entity]


def _seed_credit(platforms: Platforms, secret: dict[str, str]) -> None:
    platforms.seed("credit", {"api_keys": [secret["credit"]], "default": CREDIT_DEFAULT, "rates": CREDIT_RATES})
