"""What recurs is billed in proportion to its days: no more than the order's lines cost for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from q2c.contracts.documents import InvoiceDocument
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import sold
from q2c.stages.days_billed import Own, Period, Periods, beside
from q2c.stages.verb import Finding, Measure


def over(invoice: InvoiceDocument, own: Own, periods: Periods, spans: sold.Spans) -> Iterator[tuple[int, Finding]]:
    """Lines that bill more for their days, with what is billed for these already, than all order lines of the product.

    It may be meant: an uplift that was agreed, a convention of billing's own. So a second person says so.
    """
    for i, mine in own.items():
        if mine.kind != "recurring" or mine.sign < 0:
            continue
        others = beside(i, own, periods)
        before = sum((one.within(mine) for one in others), Fraction(0))
        limit = sum((span.worth(*mine.days) for span in spans.get(mine.sold, ())), Fraction(0))
        # Each line was rounded once, by one minor unit at most.
        if mine.net_minor + before > limit + len(others) + 1:
            yield i, _finding(invoice, i, mine, math.ceil(before), math.floor(limit))


def _finding(invoice: InvoiceDocument, at: int, mine: Period, before: int, limit: int) -> Finding:
    billed, sold_for_it = Money(mine.net_minor + before, invoice.currency), Money(limit, invoice.currency)
    days = f"from {mine.starts_on} until {mine.ends_on}"
    with_it = "With what is billed already, invoice" if before else "Invoice"
    return Finding(
        reason=Reason.INVOICE_APPROVAL_REQUIRED,
        pointer=f"/lines/{at}/net_minor",
        seen=mine.net_minor,
        text=f"{with_it} {invoice.invoice_number} bills {billed} of {mine.product} {days}; at the prices of its order "
        f"these days come to {sold_for_it} at most",
        remedy="A second person approves it, or it is voided or credited in billing",
        measure=Measure(
            of=f"{invoice.invoice_number}, line {invoice.lines[at].line}, {mine.product}",
            value=f"{billed.decimal():f}",
            limit=f"{sold_for_it.decimal():f}",
            unit=invoice.currency,
            amounts=(
                ("Billed by this line", mine.net_minor, invoice.currency),
                ("Billed for these days before", before, invoice.currency),
                ("Sold for these days, at most", limit, invoice.currency),
            ),
            note=f"By days or by months, and {sold.CONVENTION_DAYS} days more for conventions that differ.",
        ),
    )
