"""What needs a second person's word."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from q2c.contracts.documents import OrderDocument, OrderLine
from q2c.reasons import Reason
from q2c.stages.controls.price import list_minor
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding, Measure


def discount(order: OrderDocument, world: World) -> Iterator[Finding]:
    """What a line is sold below its list price stays within the policy of its entity."""
    groups = {group.key: group for group in order.groups}
    for i, line in enumerate(order.lines):
        group = groups.get(line.group)
        entity = world.entity_of(group, order) if group else None
        if entity is None or group is None or line.kind == "usage":
            continue
        gross = list_minor(order, line, group.currency)
        # What fits no price period has no percentage; the price control says what is wrong.
        if gross is None:
            continue
        off, what = Fraction(line.discount_minor), "gives {} % discount"
        listed = list_minor(order, _at_list(line), group.currency)
        if listed and (listed - line.amount_minor) * gross > off * listed:
            gross, off, what = listed, listed - line.amount_minor, "is sold {} % below its list price"
        # What is free is given away whole, whatever its list price is.
        free = gross == 0 and not line.amount_minor and bool(Decimal(line.quantity))
        share = off * 100 / gross if gross else Fraction(100 if free else 0)
        limit = world.discount_limit(entity.code)
        if share > Fraction(limit):
            percent = Decimal(share.numerator) / share.denominator
            yield Finding(
                reason=Reason.DISCOUNT_APPROVAL_REQUIRED,
                pointer=f"/lines/{i}/discount_minor",
                seen=f"{_short(percent)} %",
                text=f"Line {line.line} {what.format(_short(percent))}; {limit.normalize():f} % need no approval",
                remedy="A second person approves the discount",
                measure=Measure(
                    of=f"Line {line.line}, {line.product}",
                    value=f"{percent:.4f}",
                    limit=f"{limit.normalize():f}",
                    unit="%",
                    amounts=(
                        ("List price", int(gross + Fraction(1, 2)), group.currency),
                        ("Discount", int(off + Fraction(1, 2)), group.currency),
                        ("Sold for", line.amount_minor, group.currency),
                    ),
                    note=f"The limit is that of {entity.code}.",
                ),
            )


def _at_list(line: OrderLine) -> OrderLine:
    """The line as the price list has it; where its sender tells none, it is worth nothing."""
    at = line.list_price or "0"
    return replace(line, unit_price=at, phases=tuple(replace(phase, unit_price=at) for phase in line.phases))


def _short(percent: Decimal) -> str:
    """25, 20.01: at most two decimals, and none that says nothing."""
    return f"{percent:.2f}".rstrip("0").rstrip(".")
