"""What was booked, or reversed, in another month by decision of two people, as pages tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from q2c.money import Money
from q2c.reading.reversed_items import Item
from q2c.reading.two_months import Decision, Side, Sides
from q2c.ui import formats, links, people
from q2c.ui.parts import up_and_down

# Of each kind so many are named.
EACH_SHOWN = 5


def rows(sides: Sides | None, most: int = EACH_SHOWN) -> list[dict[str, Any]]:
    """{count, what, redated, amounts, each, more} of each kind and other month; `each` are the first `most`. One
    statement."""
    told = sides.each() if sides else []
    decisions = [side.item.decision for _, found in told for side in found[:most]]
    called = people.names(name for one in decisions for name in (one.asked_by, one.approved_by))
    return [
        {
            "count": len(found),
            "what": formats.dates(what),
            "redated": found[0].is_redated,
            "amounts": _worth(found),
            "each": [
                {
                    "item": side.item,
                    "href": links.to("invoice", side.item.invoice_id),
                    "by": _by(side.item.decision, called),
                }
                for side in found[:most]
            ],
            "more": max(0, len(found) - most),
        }
        for what, found in told
    ]


def _worth(found: Sequence[Side]) -> list[Money]:
    """What billing has more, then what it has less, by currency: neither is a credit."""
    given = [(side.worth.minor, side.worth.currency) for side in found]
    return up_and_down(given, [pair for pair in given if pair[0] < 0])


def items(found: Sequence[Item]) -> list[dict[str, Any]]:
    """{item, sides, by} of what reversals of one invoice's journal left in single months."""
    called = people.names(name for one in found for name in (one.decision.asked_by, one.decision.approved_by))
    return [{"item": one, "sides": one.sides(), "by": _by(one.decision, called)} for one in found]


def decision(one: Decision) -> dict[str, Any]:
    """A decision with the names of both people and the address of the journal that follows it."""
    return _by(one, people.names([one.asked_by, one.approved_by]))


def _by(one: Decision, called: Mapping[str, str]) -> dict[str, Any]:
    return {
        "decision": one,
        "asked_by": called.get(one.asked_by, ""),
        "approved_by": called.get(one.approved_by, ""),
        "href": links.to("journal", one.entry_id),
    }
