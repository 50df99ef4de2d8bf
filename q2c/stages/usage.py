"""Usage is metered by others, so no order says its sum: what is out of proportion wants a second person's word."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import cached_property

import msgspec

from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument, InvoiceLine, OrderLine, PriceTier
from q2c.models import Order
from q2c.money import Money, exponent
from q2c.reasons import Reason
from q2c.stages.verb import Finding, Measure


class _Sold(msgspec.Struct):
    """What of an order's document says its prices."""

    lines: tuple[OrderLine, ...] = ()


# Usage may be so many times what the same was billed at most before.
TIMES = 10


def over(invoice: InvoiceDocument, order: Order, most_before: dict[str, int], percent: Decimal) -> Iterator[Finding]:
    """What its order's prices, or all that was sold and billed, do not explain.

    Prices are held against each line; proportion against all usage of a product that the invoice bills, which is told
    at the line that goes beyond. `most_before`: by product, the most of it that one invoice billed to this order and
    group, in minor units. `percent` of what the order sold to the group over its whole term may be billed as usage by
    one invoice. Where nothing but usage is sold, the first of it wants a person's word, and what follows is measured by
    that.
    """
    sold = sum(line.amount_minor for line in order.lines.all() if line.group == invoice.group)
    so_far: Counter[str] = Counter()
    prices = _Prices(order, invoice)
    for i, line in enumerate(invoice.lines):
        if line.kind != "usage" or line.net_minor <= 0:
            continue
        before = most_before.get(line.product, 0)
        limit = max(int(sold * percent / 100), before * TIMES)
        within, so_far[line.product] = so_far[line.product] <= limit, so_far[line.product] + line.net_minor
        priced = prices.minor(line)
        if priced is not None and line.net_minor > priced + 1:
            yield _finding(
                invoice, i, line.net_minor, priced, (("At the highest price of its order", priced, invoice.currency),),
                f"Order {order.number} prices {line.quantity} of it at no more.",
            )  # fmt: skip
        elif within and so_far[line.product] > limit:
            amounts = (
                ("Sold to the group", sold, invoice.currency),
                ("Billed at most before", before, invoice.currency),
            )
            note = f"{percent.normalize():f} % of what was sold, or {TIMES} times the most before, need no approval."
            total = sum(one.net_minor for one in _usage_of(invoice, line.product))
            yield _finding(invoice, i, total, limit, amounts, note)


def _usage_of(invoice: InvoiceDocument, product: str) -> list[InvoiceLine]:
    return [one for one in invoice.lines if (one.kind, one.product) == ("usage", product) and one.net_minor > 0]


def _finding(
    invoice: InvoiceDocument,
    at: int,
    net_minor: int,
    limit_minor: int,
    amounts: tuple[tuple[str, int, str], ...],
    note: str,
) -> Finding:
    line, net, limit = invoice.lines[at], Money(net_minor, invoice.currency), Money(limit_minor, invoice.currency)
    return Finding(
        reason=Reason.INVOICE_APPROVAL_REQUIRED,
        pointer=f"/lines/{at}/net_minor",
        seen=net_minor,
        text=f"Invoice {invoice.invoice_number} bills {net} of usage of {line.product}; {limit} need no approval",
        remedy="A second person approves it, or it is voided or credited in billing",
        measure=Measure(
            of=f"{invoice.invoice_number}, line {line.line}, {line.product}",
            value=f"{net.decimal():f}",
            limit=f"{limit.decimal():f}",
            unit=invoice.currency,
            amounts=amounts,
            note=note,
        ),
    )


class _Prices:
    """Of an order, for one of its groups."""

    def __init__(self, order: Order, invoice: InvoiceDocument) -> None:
        self._order, self._invoice = order, invoice

    @cached_property
    def _tiers(self) -> dict[str, list[PriceTier]]:
        found: defaultdict[str, list[PriceTier]] = defaultdict(list)
        for one in stored.read(self._order.document, _Sold).lines:
            if one.usage and one.group == self._invoice.group:
                found[one.product] += one.usage.tiers
        return found

    def minor(self, line: InvoiceLine) -> int | None:
        """What so much of it costs at most by its order: at its highest price, with every fee; None without a price."""
        try:
            quantity = Decimal(line.quantity)
        except InvalidOperation:
            return None
        if not (tiers := self._tiers.get(line.product)):
            return None
        each, fees = max(Decimal(t.unit_price) for t in tiers), sum(Decimal(t.flat_fee) for t in tiers)
        return int((each * quantity + fees) * 10 ** exponent(self._invoice.currency)) + 1
