"""Whether the amounts are what the prices say, to the last minor unit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal

from q2c import money
from q2c.contracts.documents import OrderDocument, OrderLine
from q2c.reasons import Reason
from q2c.stages.controls.calendar import phases_of, price_periods
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding


def list_minor(order: OrderDocument, line: OrderLine, currency: str) -> Decimal | None:
    """Σ quantity × unit price × price periods in minor units, exact; None where a phase fits no price period."""
    total = Decimal(0)
    for phase in phases_of(order, line):
        periods = price_periods(line, phase)
        if periods is None:
            return None
        total += Decimal(phase.quantity) * Decimal(phase.unit_price) * periods
    return total.scaleb(money.exponent(currency))


def arithmetic(order: OrderDocument, world: World) -> Iterator[Finding]:
    """quantity × price × periods − discount = amount, exactly."""
    currencies = {group.key: group.currency for group in order.groups}
    for i, line in enumerate(order.lines):
        currency = currencies.get(line.group)
        if currency is None or line.kind == "usage":
            continue
        gross = list_minor(order, line, currency)
        if gross is None:
            yield _mismatch(i, line, "its phases are not whole price periods", "phases")
            continue
        expected = gross - line.discount_minor
        if expected != line.amount_minor:
            says = money.Money(line.amount_minor, currency)
            is_exact = expected == expected.to_integral_value()
            should = money.Money(int(expected), currency) if is_exact else f"{expected} minor units of {currency}"
            yield _mismatch(i, line, f"its amount is {says}, its prices make {should}", "amount_minor")


def _mismatch(i: int, line: OrderLine, what: str, field: str) -> Finding:
    return Finding(
        reason=Reason.PRICE_MISMATCH,
        pointer=f"/lines/{i}/{field}",
        seen=line.amount_minor,
        text=f"Line {line.line} ({line.product}): {what}",
        remedy="Correct quantity, price, discount or amount in the sales platform",
    )


def usage_terms(order: OrderDocument, world: World) -> Iterator[Finding]:
    """A usage line has its meter, included quantity and rising tiers of which the last is open."""
    for i, line in enumerate(order.lines):
        if line.kind != "usage":
            if line.usage is not None:
                yield _incomplete(i, line, "usage", "is not a usage line but has usage terms")
            continue
        if line.usage is None:
            yield _incomplete(i, line, "usage", "has no usage terms")
            continue
        if not line.usage.meter:
            yield _incomplete(i, line, "usage/meter", "names no meter")
        tiers = line.usage.tiers
        if not tiers:
            yield _incomplete(i, line, "usage/tiers", "has no price tier")
            continue
        ends = [tier.up_to for tier in tiers]
        if ends[-1] is not None or None in ends[:-1]:
            yield _incomplete(i, line, "usage/tiers", "needs exactly its last tier to be open")
        bounded = [Decimal(end) for end in ends if end is not None]
        if any(low >= high for low, high in itertools.pairwise(bounded)):
            yield _incomplete(i, line, "usage/tiers", "has tiers that do not rise")
        if line.amount_minor:
            yield _incomplete(i, line, "amount_minor", "is billed by usage and carries a fixed amount")


def _incomplete(i: int, line: OrderLine, field: str, what: str) -> Finding:
    return Finding(
        reason=Reason.USAGE_TERMS_INCOMPLETE,
        pointer=f"/lines/{i}/{field}",
        seen=line.product,
        text=f"Line {line.line} ({line.product}) {what}",
        remedy="Complete meter, included quantity and tiers in the sales platform",
    )
