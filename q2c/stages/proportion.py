"""What recurs is billed in proportion to its days: no more than the order's lines cost for them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from q2c.contracts.documents import InvoiceDocument
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import sold
from q2c.stages.beside import each
from q2c.stages.periods import Own, Period, Periods
from q2c.stages.verb import Finding, Measure


def over(invoice: InvoiceDocument, own: Own, periods: Periods, spans: sold.Spans) -> Iterator[tuple[int, Finding]]:
    """Lines that bill more for their days, with what is billed for these already, than all order lines of the product.

    It may be meant: an uplift that was agreed, a convention of billing's own. So a second person says so.
    """
    merged = {key: sold.Together(spans.get(key, ())) for key in {mine.sold for mine in own.values()}}
    for i, mine, beside in each(own, periods, 1):
        if mine.kind != "recurring":
            continue
        before = beside.billed.within(mine.stretch) + beside.back.within(mine.stretch)
        limit = merged[mine.sold].worth(*mine.days)
        if mine.net_minor + before > limit + beside.rounded(mine):
            yield i, _finding(invoice, i, mine, math.ceil(before), math.floor(limit), merged[mine.sold].spans)


def _finding(
    invoice: InvoiceDocument, at: int, mine: Period, before: int, limit: int, spans: Sequence[sold.Span]
) -> Finding:
    shares = [(span, span.share(*mine.days)) for span in spans]
    sold_minor = int(sum((span.minor * share for span, share in shares), Fraction(1, 2)))
    discount = math.ceil(sum((span.discount_minor * share for span, share in shares), Fraction(0)))
    billed, sold_for_it = Money(mine.net_minor + before, invoice.currency), Money(sold_minor, invoice.currency)
    at_most = Money(limit, invoice.currency)
    with_it = "With what is billed already, invoice" if before else "Invoice"
    less = f", less a discount of {Money(discount, invoice.currency)}," if discount else ""
    discounted = (("Discount for these days, taken off", discount, invoice.currency),) if discount else ()
    return Finding(
        reason=Reason.INVOICE_APPROVAL_REQUIRED,
        pointer=f"/lines/{at}/net_minor",
        seen=mine.net_minor,
        text=f"{with_it} {invoice.invoice_number} bills {billed} of {mine.product} from {mine.starts_on} until "
        f"{mine.ends_on}; at the prices of its order{less} these days come to {sold_for_it}, "
        f"by any count to {at_most} at most",
        remedy="A second person approves it, or it is voided or credited in billing",
        measure=Measure(
            of=f"{invoice.invoice_number}, line {invoice.lines[at].line}, {mine.product}",
            value=f"{billed.decimal():f}",
            limit=f"{at_most.decimal():f}",
            unit=invoice.currency,
            amounts=(
                ("Billed by this line", mine.net_minor, invoice.currency),
                ("Billed for these days before", before, invoice.currency),
                ("Sold for these days", sold_minor, invoice.currency),
                *discounted,
                ("Sold for these days, at most", limit, invoice.currency),
            ),
            note=f"By days or by months, and {sold.CONVENTION_DAYS} days more for conventions that differ.",
        ),
    )
