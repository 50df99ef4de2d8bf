"""An invoice that was not recorded, beside the order that it bills: what was sold, is billed already, and it adds."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

from q2c import bulk
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Order, OrderGroup, Step

# Invoices that billed the same products before, the newest first.
MOST = 20
_BEFORE = """
SELECT i.id, i.number, i.issued_on, l.product, l.kind = 'usage', min(l.service_starts_on), max(l.service_ends_on),
       sum(l.net_minor)::bigint
FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE i.order_id = %s::uuid AND i."group" = %s::text AND l.product = ANY(%s::text[]) AND i.state <> 'voided'
  AND i.billing_reference <> %s::text AND NOT ledger_counts_no_more(i.event_id)
GROUP BY 1, 2, 3, 4, 5 ORDER BY i.issued_on DESC, i.id DESC, 4
"""
# A product, and whether it is its usage.
_Key = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Product:
    """Minor units, net. `sold` is None of usage, and of what the order does not have."""

    product: str
    is_usage: bool
    sold: int | None
    before: int
    now: int

    @property
    def left(self) -> int | None:
        """What may still be billed of it after this invoice; below zero: it is too much."""
        return None if self.sold is None else self.sold - self.before - self.now


@dataclass(frozen=True, slots=True)
class Billed:
    """One product on an invoice that is recorded; its days end before `ends_on`."""

    invoice_id: uuid.UUID
    number: str
    issued_on: Any
    product: str
    is_usage: bool
    starts_on: Any
    ends_on: Any
    minor: int


@dataclass(frozen=True, slots=True)
class Against:
    """`group` is None where the order has no such invoice group. `billed` are at most MOST; there are `more`."""

    order: Order
    group: OrderGroup | None
    invoice: InvoiceDocument
    products: list[Product]
    billed: list[Billed]
    more: int


def of(user: Any, step: Step | None) -> Against | None:
    """Of the step of an invoice whose order the user may see; None of any other, and of what cannot be read."""
    if step is None or step.stage != "record_invoice":
        return None
    try:
        invoice = stored.read(step.event.payload, InvoiceDocument)
    except ValueError:
        return None
    order = Order.objects.visible_to(user).filter(number=invoice.order_number).first()
    if order is None:
        return None
    now, sold = Counter[_Key](), Counter[_Key]()
    for line in invoice.lines:
        now[line.product, line.kind == "usage"] += line.net_minor
    for row in order.lines.filter(group=invoice.group, product__in={product for product, _ in now}):
        sold[row.product, row.kind == "usage"] += row.amount_minor
    names = sorted({product for product, _ in now})
    rows = bulk.execute(_BEFORE, [order.id, invoice.group, names, invoice.billing_reference])
    billed = [one for one in (Billed(*row) for row in rows) if (one.product, one.is_usage) in now]
    before = Counter[_Key]()
    for one in billed:
        before[one.product, one.is_usage] += one.minor
    return Against(
        order=order,
        group=order.groups.filter(key=invoice.group).first(),
        invoice=invoice,
        products=[
            Product(*key, None if key[1] or key not in sold else sold[key], before[key], minor)
            for key, minor in sorted(now.items())
        ],
        billed=billed[:MOST],
        more=len(billed) - len(billed[:MOST]),
    )
