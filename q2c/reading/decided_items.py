"""What reconciles billing and the books at the close and is no difference, since two people decided so.

Invoices booked in another month than their own (redated_items.py), and those whose journal was reversed, or restored,
in another month than the one that had it (reversed_items.py). With the differences (differences.py), and what is still
to be booked (unbooked.py), they add up, by legal entity and month, to what billing has less what is booked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from q2c.reading import redated_items, reversed_items
from q2c.reading.two_months import Item, Sides
from q2c.stages.verb import Month


def by_month(user: Any, months: Iterable[Month]) -> dict[Month, Sides]:
    """Of these legal entities' months, by (entity, period); those without any are left out. A bounded number of
    statements."""
    wanted, found = set(months), dict[Month, Sides]()
    if not wanted:
        return found
    redated = redated_items.of(user, {entity for entity, _ in wanted})
    items: list[Item] = [*redated, *reversed_items.of(user, wanted)]
    for item in items:
        for side in item.sides():
            if (item.entity, side.period) in wanted:
                found.setdefault((item.entity, side.period), Sides()).add(side)
    return found
