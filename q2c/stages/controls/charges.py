"""What billing is told of an order's lines: one charge per line and phase, exact to the last minor unit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from q2c import money
from q2c.contracts.documents import OrderDocument, OrderLine, Phase, SubscriptionCharge
from q2c.stages.controls.calendar import months_of, phase_minor, phases_of


def charges_of(document: OrderDocument, group: str, currency: str) -> tuple[SubscriptionCharge, ...]:
    """Of one invoice group; phases are numbered by their start."""
    lines = [line for line in document.lines if line.group == group]
    starts = sorted({phase.starts_on for line in lines for phase in phases_of(document, line)})
    return tuple(charge for line in lines for charge in _charges(document, line, starts, currency))


def amounts_of(contract_from: dt.date, line: OrderLine, phases: Sequence[Phase], exponent: int) -> list[int]:
    """What each phase of a line costs, less its share of the discount; together the line's amount to the last unit."""
    # What usage comes to is known when it was used.
    usage = line.kind == "usage"
    fixed = [None if usage else phase_minor(contract_from, line, phase, exponent) for phase in phases]
    amounts = money.whole_parts([amount or Fraction(0) for amount in fixed])
    if not line.discount_minor or not sum(amounts):
        return amounts
    parts = money.split_over_lines(line.discount_minor, amounts)
    return [amount - part for amount, part in zip(amounts, parts, strict=True)]


def _charges(
    document: OrderDocument, line: OrderLine, starts: Sequence[dt.date], currency: str
) -> list[SubscriptionCharge]:
    phases, begins = phases_of(document, line), document.starts_on
    amounts = amounts_of(begins, line, phases, money.exponent(currency))
    return [
        SubscriptionCharge(
            line=line.line, product=line.product, kind=line.kind, phase=starts.index(phase.starts_on) + 1,
            starts_on=phase.starts_on, ends_on=phase.ends_on, quantity=Decimal(phase.quantity),
            unit_price=Decimal(phase.unit_price), price_period=line.price_period, amount_minor=amount_minor,
            months=months_of(begins, phase) or 0, billing=line.billing, usage=line.usage, description=line.description,
        )
        for phase, amount_minor in zip(phases, amounts, strict=True)
    ]  # fmt: skip
