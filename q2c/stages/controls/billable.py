"""Whether billing has a place for what is sold: asked before an order is accepted, not when it is provisioned."""

from __future__ import annotations

import re
from collections.abc import Iterator

from q2c.contracts.documents import OrderDocument
from q2c.reasons import Reason
from q2c.stages.controls import price, schedule
from q2c.stages.controls.charges import charges_of
from q2c.stages.controls.world import World
from q2c.stages.verb import Finding

_LINE = re.compile(r"lines/(\d+)(.*)")


def expressible(order: OrderDocument, world: World) -> Iterator[Finding]:
    """Billing can express each line. Nothing is asked of it: its connector knows."""
    if world.billing is None or _has_no_charges(order, world):
        return
    places = {line.line: i for i, line in enumerate(order.lines)}
    for group in order.groups:
        for text, field in world.billing.inexpressible(charges_of(order, group.key, group.currency), group.currency):
            found = _LINE.fullmatch(field)
            place = places.get(int(found[1])) if found else None
            yield Finding(
                reason=Reason.BILLING_INEXPRESSIBLE,
                pointer=f"/lines/{place}{found[2]}" if found and place is not None else "/lines",
                seen=f"line {found[1]}" if found else group.key,
                text=f"Billing cannot bill it so: {text}",
                remedy="Sell it in a form that billing has, in the sales platform",
            )


def _has_no_charges(order: OrderDocument, world: World) -> bool:
    """What is no schedule comes to no charges; other controls say so, and this one once that is mended."""
    told = (schedule.term, schedule.parts, schedule.phases, schedule.billing, price.arithmetic, price.usage_terms)
    return any(True for control in told for _ in control(order, world))
