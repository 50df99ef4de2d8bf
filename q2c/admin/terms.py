"""What a change of a product leaves as it is: open orders keep the terms that they were accepted with."""

from __future__ import annotations

from collections.abc import Iterable

from q2c.models import Product
from q2c.models.order import OrderLine

# Of a product, what its order lines keep.
KEPT = {"revenue_treatment": "revenue treatment", "product_line": "product line"}
_NEW = {
    "revenue_treatment": "New orders need {now}: a deal that says another becomes a case",
    "product_line": "New orders get {now}",
}
_OPEN = ("accepted", "provisioning", "active")


def kept(product: Product, changed: Iterable[str]) -> list[str]:
    """A sentence per changed column of which accepted orders, not over yet, keep another value."""
    said = []
    for name in [name for name in KEPT if name in set(changed)]:
        now = getattr(product, name)
        rows = OrderLine.objects.filter(product=product.code, order__state__in=_OPEN).exclude(**{name: now})
        count = rows.values("order").distinct().count()
        if not count:
            continue
        keep = "1 open order keeps" if count == 1 else f"{count} open orders keep"
        old = " or ".join(sorted(_spoken(each) for each in rows.order_by().values_list(name, flat=True).distinct()))
        said.append(
            f"{product.code}: {keep} the {KEPT[name]} {old}, as accepted, and so do their invoices. "
            + _NEW[name].format(now=_spoken(now))
        )
    return said


def _spoken(value: str) -> str:
    return value.replace("_", " ") or "none"
