"""Items of the ERP as finance systems keep them here."""

from __future__ import annotations

import datetime as dt

from q2c import clock
from q2c.demo import catalogue
from q2c.demo.company import ERP
from q2c.demo.platforms import Platforms
from q2c.models import ItemMapping, Product


def move_item(platforms: Platforms, product: str, days_back: int = 6) -> None:
    """The product has another item in the ERP since some days; whoever enters it here forgets the cost centre."""
    row = catalogue.mapping(Product.objects.get(code=product), clock.today() - dt.timedelta(days=days_back))
    row.item, row.dimensions = f"{row.item}-N", {}
    platforms.seed(ERP, {"items": [{"key": row.item, "name": catalogue.BY_CODE[product].name}]})
    row._change_reason = "items renumbered in the ERP"  # type: ignore[attr-defined]
    row.save()


def complete_items() -> None:
    """The cost centres that are missing are entered."""
    for row in ItemMapping.objects.filter(connection=ERP, dimensions={}).select_related("product"):
        row.dimensions = {"cost_center": catalogue.BY_CODE[row.product.code].cost_centre}
        row._change_reason = "cost centre added"  # type: ignore[attr-defined]
        row.save()
