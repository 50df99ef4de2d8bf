"""The smallest company that can accept tests.intake.documents.ORDER: one entity, two products, tax and credit."""

from __future__ import annotations

import datetime as dt

from ledger.models import LegalEntity
from q2c.models import Connection, ItemMapping, Product, TaxNexus
from tests.connectors.control import Control

SINCE = dt.date(2025, 1, 1)


def found() -> None:
    LegalEntity.objects.create(
        code="US", name="Tern Inc", functional_currency="USD", country="US", timezone="America/New_York",
        erp_connection="erp", allowed_currencies=["USD"], regions=["NA"],
    )  # fmt: skip
    for code, kind, treatment in (
        ("P-SEATS", "recurring", "ratable_daily"),
        ("P-SETUP", "one_time", "point_in_time"),
    ):
        product = Product.objects.create(
            code=code, name=code, kind=kind, revenue_treatment=treatment, tax_code="SW054000", product_line="seats"
        )
        ItemMapping.objects.create(product=product, connection="erp", item=f"I-{code}", effective_from=SINCE)
    TaxNexus.objects.create(entity="US", country="US", region="CA", effective_from=SINCE)
    Connection.objects.create(
        name="avatax", title="AvaTax", vendor="avatax", service="tax", base_url="sandbox://avatax",
        credentials={"account_id": "2000000001", "license_key": "k"}, time_limit_s=2,
        options={"ship_from": {"US": {"country": "US", "region": "CA", "postal_code": "94607"}}},
    )  # fmt: skip
    Connection.objects.create(
        name="credit", title="Credit", vendor="credit", service="credit", base_url="sandbox://credit",
        credentials={"api_key": "k"}, time_limit_s=2,
    )  # fmt: skip


def services() -> tuple[Control, Control]:
    """(tax, credit), seeded: 10 % in California; Acme may owe 20,000 softly, 50,000 at most."""
    tax, credit = Control("avatax"), Control("credit")
    for each in (tax, credit):
        each.reset()
    tax.seed(
        accounts=[{"account_id": "2000000001", "license_key": "k"}],
        companies=[{"code": "US", "name": "Tern Inc", "active": True}],
        rates=[{"country": "US", "region": "CA", "name": "CALIFORNIA", "type": "State", "rate": "0.1"}],
    )
    credit.seed(
        api_keys=["k"],
        customers=[{"id": "C-ACME", "name": "Acme", "soft_limit": "20000.00", "hard_limit": "50000.00",
                    "exposure": "0.00", "currency": "USD"}],
        rates={"USD": "1"},
    )  # fmt: skip
    return tax, credit
