"""What of its order an invoice line is booked by: revenue treatment and product line, as its order line was accepted.

A product's master data changes for what is sold from then on; what was sold keeps its terms. Where the order sold the
same product, kind and group in several lines on different terms, the days that the invoice line bills say which.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from exceptions.sentences import listed
from q2c.contracts.documents import InvoiceDocument, InvoiceLine
from q2c.models import Order, OrderLine
from q2c.reasons import Reason
from q2c.stages import sold
from q2c.stages.verb import Finding


class Terms(NamedTuple):
    """Empty of what its order did not sell."""

    revenue_treatment: str = ""
    product_line: str = ""


def of_lines(invoice: InvoiceDocument, order: Order) -> list[Terms | None]:
    """One per line of the invoice; None where its order has several and the days do not say which."""
    rows: defaultdict[tuple[str, str], list[OrderLine]] = defaultdict(list)
    for row in order.lines.all():
        if row.group == invoice.group:
            rows[row.product, row.kind].append(row)
    of_all = {of: {_terms(row) for row in mine} for of, mine in rows.items()}
    days: Mapping[int, tuple[dt.date, dt.date]] = {}
    found: list[Terms | None] = []
    for line in invoice.lines:
        terms = of_all.get((line.product, line.kind), set())
        if len(terms) > 1:
            days = days or sold.days(order)
            terms = _on_its_days(line, rows[line.product, line.kind], days)
        found.append(next(iter(terms)) if len(terms) == 1 else None if terms else Terms())
    return found


def undecided(invoice: InvoiceDocument, order: Order) -> list[Finding]:
    """The lines of which nobody could say how they are booked."""
    return [
        Finding(
            reason=Reason.INVOICE_MISMATCH, pointer=f"/lines/{i}/service_starts_on", seen=line.service_starts_on,
            text=f"Order {order.number} sold {line.product} to group {invoice.group} as {_told(line, invoice, order)}; "
            f"the days that line {line.line} of invoice {invoice.invoice_number} bills do not say which of them it is",
            remedy="Have billing bill each by a line of its own, with its own service days; void this invoice there",
        )
        for i, (line, terms) in enumerate(zip(invoice.lines, of_lines(invoice, order), strict=True))
        if terms is None
    ]  # fmt: skip


def _terms(row: OrderLine) -> Terms:
    return Terms(row.revenue_treatment, row.product_line)


def _on_its_days(line: InvoiceLine, rows: list[OrderLine], days: Mapping[int, tuple[dt.date, dt.date]]) -> set[Terms]:
    """The terms of the order lines that hold on all of its days; where none does, of those on some of them."""
    starts, ends = line.service_starts_on, line.service_ends_on
    if starts is None:
        return {_terms(row) for row in rows}
    # What is due once says one day, as its start or as both.
    ends = max(ends or starts, starts + dt.timedelta(days=1))
    spans = [(*days[row.line], _terms(row)) for row in rows]
    whole = {terms for begins, until, terms in spans if begins <= starts and ends <= until}
    partly = {terms for begins, until, terms in spans if begins < ends and starts < until}
    return whole or partly or {terms for *_, terms in spans}


def _told(line: InvoiceLine, invoice: InvoiceDocument, order: Order) -> str:
    rows = [r for r in order.lines.all() if (r.group, r.product, r.kind) == (invoice.group, line.product, line.kind)]
    return listed([
        f"{row.revenue_treatment.replace('_', ' ')} of {row.product_line or 'no product line'} (line {row.line})"
        for row in rows
    ])  # fmt: skip
