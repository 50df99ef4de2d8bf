"""Whether the amounts are what the prices say, to the last minor unit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from q2c import money
from q2c.contracts.documents import OrderDocument, OrderLine, UsageTerms
from q2c.reasons import Reason
from q2c.stages.controls.calendar import phase_minor, phases_of
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding

# What a line has that leaves them out.
_UNSAID = {"quantity": Decimal(1), "unit_price": Decimal(0)}


def list_minor(order: OrderDocument, line: OrderLine, currency: str) -> Fraction | None:
    """The line before its discount, in minor units, exact; None where a phase fits no price period."""
    exponent = money.exponent(currency)
    total = Fraction(0)
    for phase in phases_of(order, line):
        amount = phase_minor(order.starts_on, line, phase, exponent)
        if amount is None:
            return None
        total += amount
    return total


def arithmetic(order: OrderDocument, world: World) -> Iterator[Finding]:
    """quantity × price × periods − discount = amount, exactly."""
    currencies = {group.key: group.currency for group in order.groups}
    for i, line in enumerate(order.lines):
        currency = currencies.get(line.group)
        reversed_ = any(phase.ends_on <= phase.starts_on for phase in line.phases)
        # What has no group, no order in time or no fixed price has no amount to compare; other controls say so.
        if currency is None or line.kind == "usage" or reversed_:
            continue
        gross = list_minor(order, line, currency)
        if gross is None:
            spans = ", ".join(f"{phase.starts_on} – {phase.ends_on}" for phase in line.phases)
            yield _mismatch(i, line, "its phases are not whole price periods", "phases", spans)
            continue
        expected = gross - line.discount_minor
        if expected != line.amount_minor:
            says = money.Money(line.amount_minor, currency)
            what = f"its amount is {says}, its prices make {_shown(expected, currency)}"
            yield _mismatch(i, line, what, "amount_minor", line.amount_minor)


def quantities(order: OrderDocument, world: World) -> Iterator[Finding]:
    """What is sold for a fixed price is more than nothing."""
    for i, line in enumerate(order.lines):
        if line.kind == "usage":
            continue
        said = [("quantity", line.quantity), *((f"phases/{n}/quantity", p.quantity) for n, p in enumerate(line.phases))]
        for field, quantity in said:
            if not Decimal(quantity):
                yield _mismatch(i, line, "its quantity is 0", field, quantity)


def agreeing(order: OrderDocument, world: World) -> Iterator[Finding]:
    """A line with phases says quantity and price of the first one, or leaves them out: its phases are what counts."""
    for i, line in enumerate(order.lines):
        if not line.phases or line.kind == "usage":
            continue
        first = line.phases[0]
        for field, unsaid in _UNSAID.items():
            said, sold = getattr(line, field), getattr(first, field)
            if Decimal(said) not in (unsaid, Decimal(sold)):
                what = f"its {field.replace('_', ' ')} is {said}, that of its first phase is {sold}"
                yield _mismatch(i, line, what, field, said)


def _shown(minor: Fraction, currency: str) -> str:
    if minor.denominator == 1:
        return str(money.Money(int(minor), currency))
    major = minor / 10 ** money.exponent(currency)
    said = f"{Decimal(major.numerator) / major.denominator:,.12f}".rstrip("0")
    return f"{currency} {said}, which is no whole minor unit"


def _mismatch(i: int, line: OrderLine, what: str, field: str, seen: Any) -> Finding:
    return Finding(
        reason=Reason.PRICE_MISMATCH,
        pointer=f"/lines/{i}/{field}",
        seen=seen,
        text=f"Line {line.line} ({line.product}): {what}",
        remedy="Correct quantity, price, discount or amount in the sales platform",
    )


def usage_terms(order: OrderDocument, world: World) -> Iterator[Finding]:
    """A usage line has its meter, included quantity and rising tiers of which the last is open, and no fixed amount."""
    for i, line in enumerate(order.lines):
        if line.kind != "usage":
            if line.usage is not None:
                yield _incomplete(i, line, "usage", line.usage.meter, "is not a usage line but has usage terms")
            continue
        if line.usage is None:
            yield _incomplete(i, line, "usage", None, "has no usage terms")
        else:
            yield from _meter(i, line, line.usage, world)
            yield from _tiers(i, line, line.usage)
        for field in ("amount_minor", "discount_minor"):
            if value := getattr(line, field):
                yield _incomplete(i, line, field, value, "is billed by usage and carries a fixed amount or discount")
        prices = [("unit_price", line.unit_price)]
        prices += [(f"phases/{n}/unit_price", phase.unit_price) for n, phase in enumerate(line.phases)]
        for field, price in prices:
            if Decimal(price):
                yield _incomplete(i, line, field, price, "is billed by usage and carries a price beside its tiers")


def _meter(i: int, line: OrderLine, usage: UsageTerms, world: World) -> Iterator[Finding]:
    product = world.products.get(line.product)
    if not usage.meter:
        yield _incomplete(i, line, "usage/meter", usage.meter, "names no meter")
    elif product is not None and product.meter and product.meter != usage.meter:
        what = f"counts {usage.meter}, its product is metered by {product.meter}"
        yield _incomplete(i, line, "usage/meter", usage.meter, what)


def _tiers(i: int, line: OrderLine, usage: UsageTerms) -> Iterator[Finding]:
    ends = [tier.up_to for tier in usage.tiers]
    seen = ", ".join("open" if end is None else end for end in ends)
    if not ends:
        yield _incomplete(i, line, "usage/tiers", seen, "has no price tier")
        return
    if ends[-1] is not None or None in ends[:-1]:
        yield _incomplete(i, line, "usage/tiers", seen, "needs exactly its last tier to be open")
    bounded = [Decimal(0), *(Decimal(end) for end in ends if end is not None)]
    if any(low >= high for low, high in itertools.pairwise(bounded)):
        yield _incomplete(i, line, "usage/tiers", seen, "has tiers that do not rise")


def _incomplete(i: int, line: OrderLine, field: str, seen: Any, what: str) -> Finding:
    return Finding(
        reason=Reason.USAGE_TERMS_INCOMPLETE,
        pointer=f"/lines/{i}/{field}",
        seen=seen,
        text=f"Line {line.line} ({line.product}) {what}",
        remedy="Complete meter, included quantity and tiers in the sales platform",
    )
