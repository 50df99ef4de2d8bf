"""The tax of an invoice is what was estimated when its order was accepted, or at a rate that a second person signed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction

import msgspec

from exceptions import approvals
from q2c import bulk
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument, InvoiceLine
from q2c.models import Order
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages.verb import Finding, Measure

_AT = re.compile(r"/lines/([0-9]+)/tax_minor")


class _Document(msgspec.Struct):
    """What of an invoice's document says its tax."""

    lines: tuple[InvoiceLine, ...] = ()


# Each jurisdiction rounds for itself. Together lines are off by no more: many small ones make no room for rounding.
ROUNDING_MINOR = 5
# A rate that a second person signed is no surprise the next time. What only rounding let pass says nothing of a rate.
_RECORDED = """
SELECT s.id, e.payload::text
FROM q2c_invoice i JOIN q2c_event e ON e.id = i.event_id
JOIN q2c_step s ON s.event_id = e.id AND s.stage = 'record_invoice'
WHERE i.order_id = %s::uuid AND i."group" = %s::text AND i.state <> 'voided' AND NOT ledger_counts_no_more(i.event_id)
  AND EXISTS (SELECT FROM exceptions_case c JOIN exceptions_approval a ON a.case_id = c.id
              WHERE c.step_id = s.id AND a.state = 'approved')
"""


def off(invoice: InvoiceDocument, order: Order, percent: Decimal) -> Iterator[Finding]:
    """One finding per line whose rate is more than so many points of percent from each that is known for it.

    And one for all lines that nothing but rounding explains, where it does not explain them together.

    Where nobody estimated anything, nothing is known. Usage has no estimate of its own: it is taxed as something else
    of its group is.
    """
    rounded: list[tuple[Fraction, Fraction]] = []
    signed: dict[str, set[Fraction]] = {}
    for i, line in enumerate(invoice.lines):
        rates = _estimated(invoice, order, line)
        if not line.net_minor or not rates or _is_near(line, rates, percent):
            continue
        if line.product not in signed:
            signed[line.product] = _signed(invoice, order, line)
        if _is_near(line, signed[line.product], percent):
            continue
        if _is_near(line, rates | signed[line.product], percent, ROUNDING_MINOR):
            rounded.append((_off(line, rates | signed[line.product]), _free(line, percent)))
            continue
        billed, known = _percent(Fraction(line.tax_minor, line.net_minor)), ", ".join(map(_percent, sorted(rates)))
        yield Finding(
            reason=Reason.INVOICE_APPROVAL_REQUIRED,
            pointer=f"/lines/{i}/tax_minor",
            seen=line.tax_minor,
            text=f"Invoice {invoice.invoice_number} bills {billed} tax on {line.product}; the estimate of order "
            f"{order.number} makes it {known}",
            remedy="Have the tax corrected in billing; where it is right, a second person approves it",
            measure=_measured(line, rates | signed[line.product], percent),
        )
    yield from _together(invoice, order, rounded)


def _measured(line: InvoiceLine, rates: set[Fraction], percent: Decimal) -> Measure:
    """How far its rate is from the nearest that is known, in points of percent."""
    points = abs(_off(line, rates) / line.net_minor) * 100
    # Whoever asks for less is seen to: rounding tells no less than it is.
    value = (Decimal(points.numerator) / points.denominator).quantize(Decimal("0.0001"), ROUND_CEILING)
    return Measure(
        of=f"{line.product}, tax beside its estimate", value=f"{value:f}", limit=f"{Decimal(percent).normalize():f}",
        unit="%", note="In points of percent.",
    )  # fmt: skip


def _together(invoice: InvoiceDocument, order: Order, rounded: list[tuple[Fraction, Fraction]]) -> Iterator[Finding]:
    """`rounded`: by how much each such line is off, and how much of that the tolerance lets pass, in minor units.

    What is rounded up here and down there is right as a whole.
    """
    off_by = abs(sum((off for off, _ in rounded), Fraction(0)))
    free = sum((free for _, free in rounded), Fraction(ROUNDING_MINOR))
    if off_by <= free:
        return
    told, most = Money(int(off_by), invoice.currency), Money(int(free), invoice.currency)
    yield Finding(
        reason=Reason.INVOICE_APPROVAL_REQUIRED,
        # Of no line: who signs cents signs no rate.
        pointer="/lines",
        seen=len(rounded),
        text=f"The tax of {len(rounded)} lines of invoice {invoice.invoice_number} differs from the estimate of order "
        f"{order.number} by cents each, by {told} together; {most} need no approval",
        remedy="Have the tax corrected in billing; where it is right, a second person approves it",
        measure=Measure(
            of=f"{invoice.invoice_number}, tax beside its estimate",
            value=f"{told.decimal():f}",
            limit=f"{most.decimal():f}",
            unit=invoice.currency,
        ),
    )


def _estimated(invoice: InvoiceDocument, order: Order, line: InvoiceLine) -> set[Fraction]:
    known = [
        sold
        for sold in order.lines.all()
        if sold.group == invoice.group and sold.tax_estimate_minor is not None and sold.amount_minor
    ]
    if line.kind != "usage":
        known = [sold for sold in known if (sold.product, sold.kind) == (line.product, line.kind)]
    return {Fraction(sold.tax_estimate_minor or 0, sold.amount_minor) for sold in known}


def _signed(invoice: InvoiceDocument, order: Order, line: InvoiceLine) -> set[Fraction]:
    recorded = dict(bulk.execute(_RECORDED, [order.id, invoice.group]))
    found = set()
    for step_id, findings in approvals.granted(list(recorded)).items():
        lines = stored.read(recorded[step_id], _Document).lines
        for at in (_AT.fullmatch(finding.get("pointer", "")) for finding in findings):
            one = lines[int(at[1])] if at and int(at[1]) < len(lines) else None
            if one is not None and one.product == line.product and one.net_minor:
                found.add(Fraction(one.tax_minor, one.net_minor))
    return found


def _is_near(line: InvoiceLine, rates: set[Fraction], percent: Decimal, rounding_minor: int = 0) -> bool:
    return bool(rates) and abs(_off(line, rates)) <= _free(line, percent) + rounding_minor


def _off(line: InvoiceLine, rates: set[Fraction]) -> Fraction:
    """By how many minor units its tax differs from that at the nearest rate."""
    return min((line.tax_minor - line.net_minor * rate for rate in rates), key=abs)


def _free(line: InvoiceLine, percent: Decimal) -> Fraction:
    return abs(line.net_minor) * Fraction(percent) / 100


def _percent(rate: Fraction) -> str:
    return f"{Decimal(rate.numerator * 100) / rate.denominator:.2f}".rstrip("0").rstrip(".") + " %"
