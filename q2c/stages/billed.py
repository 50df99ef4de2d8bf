"""What invoices may bill of an order: together no more than it sold, and no more back than they billed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

from q2c import bulk
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Order
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages.verb import Finding, Work

# Usage has no amount in the order. An invoice whose journal was reversed counts for nothing: billing bills it anew.
_SO_FAR = """
SELECT i.order_id, i."group", l.product, sum(l.net_minor)::bigint, count(*)
FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE i.order_id = ANY(%s::uuid[]) AND l.kind <> 'usage' AND i.state <> 'voided'
  AND NOT EXISTS (SELECT FROM ledger_journalentry e WHERE e.event_id = i.event_id AND e.state = 'reversed')
GROUP BY 1, 2, 3
"""

# Order id, group, product.
Sold = tuple[UUID, str, str]


def tie(works: Sequence[Work]) -> None:
    """Adds a finding to each invoice that goes beyond its order; those before it in the batch count.

    Orders are locked until the transaction ends, so two workers cannot each bill what is left.
    """
    orders: dict[UUID, Order] = {work.notes["order"].id: work.notes["order"] for work in works}
    list(Order.objects.filter(id__in=orders).order_by("id").select_for_update().values_list("id"))
    net: Counter[Sold] = Counter()
    lines: Counter[Sold] = Counter()
    for order_id, group, product, minor, count in bulk.execute(_SO_FAR, [list(orders)]):
        net[order_id, group, product], lines[order_id, group, product] = minor, count
    sold = _sold(orders.values())
    for work in works:
        invoice, order = work.fact.payload, work.notes["order"]
        own_net, own_lines = _of(invoice, order)
        work.findings += [
            found
            for key in own_net
            for found in _beyond(invoice, order, key, sold[key], net[key] + own_net[key], lines[key] + own_lines[key])
        ]
        if not work.findings:
            net.update(own_net)
            lines.update(own_lines)


def _sold(orders: Iterable[Order]) -> Counter[Sold]:
    sold: Counter[Sold] = Counter()
    for order in orders:
        for line in order.lines.all():
            if line.kind != "usage":
                sold[order.id, line.group, line.product] += line.amount_minor
    return sold


def _of(invoice: InvoiceDocument, order: Order) -> tuple[Counter[Sold], Counter[Sold]]:
    """What the invoice itself bills: net and number of lines."""
    net: Counter[Sold] = Counter()
    lines: Counter[Sold] = Counter()
    for line in invoice.lines:
        if line.kind != "usage":
            net[order.id, invoice.group, line.product] += line.net_minor
            lines[order.id, invoice.group, line.product] += 1
    return net, lines


def _beyond(invoice: InvoiceDocument, order: Order, key: Sold, sold: int, billed: int, tolerance: int) -> list[Finding]:
    """`tolerance`: each invoice line was rounded once, by one minor unit at most."""
    if min(sold, 0) - tolerance <= billed <= max(sold, 0) + tolerance:
        return []
    product = key[2]
    at = next(i for i, line in enumerate(invoice.lines) if line.product == product and line.kind != "usage")
    comes_to, limit = Money(billed, invoice.currency), Money(sold, invoice.currency)
    what = f"order {order.number} sold {limit} of it to group {invoice.group}"
    return [
        Finding(
            reason=Reason.INVOICE_MISMATCH, pointer=f"/lines/{at}/net_minor", seen=invoice.lines[at].net_minor,
            text=f"With invoice {invoice.invoice_number}, {comes_to} of {product} is billed; {what}",
            remedy="Void the invoice in billing and bill the right amount, or replay after the invoice it credits",
        )
    ]  # fmt: skip
