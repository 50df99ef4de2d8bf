"""What billing is told of an order's lines: one charge per line and phase, exact to the last minor unit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from q2c import money
from q2c.contracts.documents import OrderDocument, OrderLine, SubscriptionCharge
from q2c.stages.controls.calendar import phase_minor, phases_of


def charges_of(document: OrderDocument, group: str, currency: str) -> tuple[SubscriptionCharge, ...]:
    """Of one invoice group; phases are numbered by their start."""
    lines = [line for line in document.lines if line.group == group]
    starts = sorted({phase.starts_on for line in lines for phase in phases_of(document, line)})
    charges = [charge for line in lines for charge in _charges(document, line, starts, currency)]
    return tuple(_discounted(charges, document))


def _charges(
    document: OrderDocument, line: OrderLine, starts: Sequence[dt.date], currency: str
) -> list[SubscriptionCharge]:
    """A line's phases before its discount; together they come to its list price to the last minor unit."""
    phases, exponent = phases_of(document, line), money.exponent(currency)
    # What usage comes to is known when it was used.
    fixed = [None if line.kind == "usage" else phase_minor(line, phase, exponent) for phase in phases]
    amounts = money.whole_parts([amount or Fraction(0) for amount in fixed])
    return [
        SubscriptionCharge(
            line=line.line, product=line.product, kind=line.kind, phase=starts.index(phase.starts_on) + 1,
            starts_on=phase.starts_on, ends_on=phase.ends_on, quantity=Decimal(phase.quantity),
            unit_price=Decimal(phase.unit_price), price_period=line.price_period, amount_minor=amount_minor,
            billing=line.billing, usage=line.usage, description=line.description,
        )
        for phase, amount_minor in zip(phases, amounts, strict=True)
    ]  # fmt: skip


def _discounted(charges: list[SubscriptionCharge], document: OrderDocument) -> list[SubscriptionCharge]:
    """A line's discount spread over its phases by their amount, to the last minor unit."""
    discounts = {line.line: line.discount_minor for line in document.lines if line.discount_minor}
    result = list(charges)
    for number, discount in discounts.items():
        of_line = [i for i, charge in enumerate(result) if charge.line == number]
        weights = [result[i].amount_minor for i in of_line]
        if not sum(weights):
            continue
        for i, part in zip(of_line, money.split_over_lines(discount, weights), strict=True):
            result[i] = replace(result[i], amount_minor=result[i].amount_minor - part)
    return result
