"""What Tern Systems sells: a product for every way in which revenue is earned, its list prices and ERP items, and where
tax is due.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from simple_history.utils import bulk_create_with_history

from q2c import clock
from q2c.demo.company import ERP
from q2c.models import ItemMapping, ListPrice, Product, TaxNexus


@dataclass(frozen=True, kw_only=True, slots=True)
class Good:
    """`prices`: per unit and month (or once), by currency, as the price book has them."""

    code: str
    name: str
    kind: str
    product_line: str
    treatment: str
    tax_code: str
    cost_centre: str
    prices: dict[str, str]
    meter: str = ""


def _prices(usd: str, eur: str, gbp: str, cad: str, jpy: str) -> dict[str, str]:
    return {"USD": usd, "EUR": eur, "GBP": gbp, "CAD": cad, "JPY": jpy}


GOODS = (
    Good(
        code="PLATFORM", name="Tern Platform, per seat", kind="recurring", product_line="subscription",
        treatment="ratable_daily", tax_code="SW056000", cost_centre="CC-100",
        prices=_prices("48.00", "44.00", "38.00", "64.00", "6400"),
    ),
    Good(
        code="ANALYTICS", name="Tern Analytics, per seat", kind="recurring", product_line="subscription",
        treatment="ratable_monthly", tax_code="SW056000", cost_centre="CC-200",
        prices=_prices("19.50", "18.00", "15.50", "26.00", "2600"),
    ),
    Good(
        code="SUPPORT-PLUS", name="Support Plus", kind="recurring", product_line="support",
        treatment="ratable_monthly", tax_code="SW054000", cost_centre="CC-300",
        prices=_prices("950.00", "880.00", "760.00", "1280.00", "128000"),
    ),
    Good(
        code="IMPLEMENTATION", name="Implementation", kind="one_time", product_line="implementation",
        treatment="point_in_time", tax_code="SP140000", cost_centre="CC-300",
        prices=_prices("12500.00", "11500.00", "9800.00", "16800.00", "1680000"),
    ),
    Good(
        code="TRAINING", name="Training day", kind="one_time", product_line="implementation",
        treatment="point_in_time", tax_code="SP140000", cost_centre="CC-300",
        prices=_prices("1900.00", "1750.00", "1500.00", "2550.00", "255000"),
    ),
    Good(
        code="EDGE-BOX", name="Edge box", kind="one_time", product_line="devices",
        treatment="point_in_time", tax_code="P0000000", cost_centre="CC-410",
        prices=_prices("640.00", "590.00", "510.00", "860.00", "86000"),
    ),
    Good(
        code="API-CALLS", name="API calls over the allowance", kind="usage", product_line="usage",
        treatment="usage_as_billed", tax_code="SW056000", cost_centre="CC-100", meter="api_calls",
        prices=_prices("0.0020", "0.0018", "0.0016", "0.0027", "0.27"),
    ),
    Good(
        code="STORAGE", name="Storage over the allowance", kind="usage", product_line="usage",
        treatment="usage_as_billed", tax_code="SW056000", cost_centre="CC-100", meter="storage_gb",
        prices=_prices("0.11", "0.10", "0.09", "0.15", "15"),
    ),
    # Launched during the year; who maps it to an ERP item is late each time.
    Good(
        code="INSIGHTS-AI", name="Tern Insights AI, per seat", kind="recurring", product_line="subscription",
        treatment="ratable_daily", tax_code="SW056000", cost_centre="CC-200",
        prices=_prices("29.00", "27.00", "23.00", "39.00", "3900"),
    ),
    Good(
        code="EDGE-BOX-2", name="Edge box, second generation", kind="one_time", product_line="devices",
        treatment="point_in_time", tax_code="P0000000", cost_centre="CC-410",
        prices=_prices("720.00", "665.00", "575.00", "970.00", "97000"),
    ),
    Good(
        code="VAULT", name="Tern Vault, per seat", kind="recurring", product_line="subscription",
        treatment="ratable_monthly", tax_code="SW056000", cost_centre="CC-100",
        prices=_prices("9.50", "8.75", "7.50", "12.75", "1275"),
    ),
    # In the price book of the sales platform before anybody tells finance.
    Good(
        code="PLATFORM-EDU", name="Tern Platform for schools, per seat", kind="recurring",
        product_line="subscription", treatment="ratable_daily", tax_code="SW056000", cost_centre="CC-100",
        prices=_prices("19.00", "17.50", "15.00", "25.00", "2500"),
    ),
    Good(
        code="PLATFORM-GOV", name="Tern Platform for authorities, per seat", kind="recurring",
        product_line="subscription", treatment="ratable_daily", tax_code="SW056000", cost_centre="CC-100",
        prices=_prices("41.00", "37.50", "32.50", "54.50", "5450"),
    ),
)  # fmt: skip
BY_CODE = {good.code: good for good in GOODS}
# Not mapped from the beginning.
LAUNCHED_LATER = ("INSIGHTS-AI", "EDGE-BOX-2", "VAULT")
# Nor known at all.
NOT_LISTED = ("PLATFORM-EDU", "PLATFORM-GOV")

# Where each entity is registered for tax: country, and of the US the state.
US_STATES = ("CA", "CO", "GA", "IL", "MA", "NY", "TX", "WA")
NEXUS = (
    *(("US", "US", state) for state in US_STATES),
    ("US", "CA", ""), ("DE", "DE", ""), ("DE", "FR", ""), ("DE", "NL", ""), ("UK", "GB", ""), ("JP", "JP", ""),
    ("JP", "AU", ""),
)  # fmt: skip


def list_goods(since: dt.date) -> None:
    """Products, their list prices and items, and the tax registrations, from a day on."""
    products = [product(good) for good in GOODS if good.code not in NOT_LISTED]
    made = bulk_create_with_history(products, Product, default_change_reason="price book", default_date=clock.now())
    prices = [price for product in made for price in list_prices(product, since)]
    bulk_create_with_history(prices, ListPrice, default_change_reason="price book", default_date=clock.now())
    mappings = [mapping(product, since) for product in made if product.code not in LAUNCHED_LATER]
    bulk_create_with_history(mappings, ItemMapping, default_change_reason="item master", default_date=clock.now())
    nexus = [
        TaxNexus(entity=entity, country=country, region=region, effective_from=since)
        for entity, country, region in NEXUS
    ]
    bulk_create_with_history(nexus, TaxNexus, default_change_reason="tax registrations", default_date=clock.now())


def product(good: Good) -> Product:
    return Product(
        code=good.code, name=good.name, kind=good.kind, product_line=good.product_line,
        revenue_treatment=good.treatment, tax_code=good.tax_code, meter=good.meter,
    )  # fmt: skip


def list_prices(product: Product, since: dt.date) -> Iterator[ListPrice]:
    """The product's prices in the price book, one per currency."""
    period = "month" if product.kind == "recurring" else "once"
    for currency, price in BY_CODE[product.code].prices.items():
        yield ListPrice(
            product=product, currency=currency, price_period=period, unit_price=Decimal(price), effective_from=since
        )


def mapping(product: Product, since: dt.date, connection: str = ERP) -> ItemMapping:
    """The product's item in the ledger; its cost centre goes onto the journal lines."""
    return ItemMapping(
        product=product, connection=connection, item=f"ITEM-{product.code}",
        dimensions={"cost_center": BY_CODE[product.code].cost_centre}, effective_from=since,
    )  # fmt: skip
