"""What is asked for and not decided of a month, as pages tell it."""

from __future__ import annotations

from typing import Any

from q2c.reading.asked_for import KINDS, Asked
from q2c.ui import links
from q2c.ui.parts import by_sign

# Of each kind so many are named.
EACH_SHOWN = 5


def rows(asked: Asked | None) -> list[dict[str, Any]]:
    """{count, noun, before, after, amounts, each, more} of each kind; `each` are the first ones, with their case."""
    if asked is None:
        return []
    return [
        {
            "count": len(asked.found[kind]),
            "noun": KINDS[kind].noun,
            "before": KINDS[kind].before,
            "after": KINDS[kind].after,
            "amounts": by_sign(asked.each(kind)),
            "each": [{"one": one, "href": links.to("case", one.case.id)} for one in asked.found[kind][:EACH_SHOWN]],
            "more": len(asked.found[kind][EACH_SHOWN:]),
        }
        for kind in asked.kinds
    ]
