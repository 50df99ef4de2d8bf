"""An AvaTax account to try against: two companies, four places, one address nobody can find."""

from __future__ import annotations

import datetime as dt
from typing import Any

from q2c.connectors.avatax.client import AvaTax
from q2c.connectors.ports import ConnectionConfig
from q2c.contracts.documents import Address, TaxRequest
from tests.connectors.control import sandbox_url

CREDENTIALS = {"account_id": "2000000001", "license_key": "1A2B3C4D5E6F7A8B"}
PHILADELPHIA = Address(country="US", region="PA", city="Philadelphia", postal_code="19147", line1="822 Reed St")
MUNICH = Address(country="DE", region="BY", city="München", postal_code="80331", line1="Marienplatz 1")
TOKYO = Address(country="JP", region="13", city="Tokyo", postal_code="100-0001")
SALEM = Address(country="US", region="OR", city="Salem", postal_code="97301")
NOWHERE = Address(country="US", region="PA", city="Nowhere", postal_code="99999")

SEED: dict[str, Any] = {
    "accounts": [CREDENTIALS],
    "companies": [
        {"code": "US01", "name": "Acme Inc", "nexus": ["US-PA", "US-OR", "JP"]},
        {"code": "DE01", "name": "Acme GmbH"},
    ],
    "rates": [
        {"country": "US", "region": "PA", "name": "PENNSYLVANIA", "type": "State", "rate": "0.06"},
        {"country": "US", "region": "PA", "name": "PHILADELPHIA", "type": "County", "rate": "0.02"},
        {
            "country": "US", "region": "PA", "name": "PENNSYLVANIA", "type": "State", "rate": "0",
            "tax_code": "SERVICE",
        },
        {"country": "US", "region": "CA", "name": "CALIFORNIA", "type": "State", "rate": "0.0725"},
        {"country": "DE", "name": "GERMANY", "type": "Country", "rate": "0.19", "tax_type": "VAT"},
        {"country": "JP", "name": "JAPAN", "type": "Country", "rate": "0.10", "tax_type": "JCT"},
    ],
    "tax_codes": ["SOFTWARE", "SERVICE"],
    "bad_addresses": [
        {"country": "US", "region": "PA", "postal_code": "99999", "message": "Zip is not valid for the state."}
    ],
}  # fmt: skip


def connect(
    *, time_limit_s: float = 10.0, credentials: dict[str, str] | None = None, base_url: str = "", **options: Any
) -> AvaTax:
    config = ConnectionConfig(
        name="tax", vendor="avatax", base_url=base_url or sandbox_url("avatax"), options=options,
        credentials=CREDENTIALS if credentials is None else credentials, time_limit_s=time_limit_s,
    )  # fmt: skip
    return AvaTax(config)


def asked(*lines: tuple[int, str, str, int], **changes: Any) -> TaxRequest:
    """A request for one line of USD 2,400.00 shipped to Philadelphia, unless told otherwise."""
    fields: dict[str, Any] = {
        "code": "Q2CTAXOFORDER4711", "customer": "A-1001", "company": "US01", "currency": "USD",
        "on": dt.date(2026, 2, 1), "ship_from": None, "ship_to": PHILADELPHIA,
        "lines": lines or ((1, "SOFTWARE", "SUB-ENT", 240_000),),
    }  # fmt: skip
    return TaxRequest(**{**fields, **changes})
