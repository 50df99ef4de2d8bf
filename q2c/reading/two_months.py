"""What billing has in one month and the books in another because two people decided so: a row of either month."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Protocol

from exceptions.sentences import month
from q2c.money import Money

# By kind, in the order in which they are told; with the other month's name.
REDATED = {
    "dated": "dated in the month in billing, booked in {} by decision",
    "booked": "booked in the month by decision, dated in {} in billing",
}
REVERSED = {
    "booked_before": "booked in the month, reversed in {} by decision",
    "reversed": "reversed in the month by decision, booked in {}",
    "reversed_before": "reversed in the month by decision, booked again in {} by decision",
    "restored": "booked again in the month by decision, reversed in {} by decision",
}
KINDS = REDATED | REVERSED


class Decision(Protocol):
    """By which the entry that stands in the month decided was made; the two people by their user names, or empty."""

    @property
    def entry_id(self) -> uuid.UUID: ...
    @property
    def journal(self) -> str: ...
    @property
    def effective_on(self) -> dt.date: ...
    @property
    def reason(self) -> str: ...
    @property
    def asked_by(self) -> str: ...
    @property
    def approved_by(self) -> str: ...
    @property
    def at(self) -> dt.datetime | None: ...


class Item(Protocol):
    """An invoice that stands in two months; `worth` is what it comes to."""

    @property
    def invoice_id(self) -> uuid.UUID: ...
    @property
    def number(self) -> str: ...
    @property
    def entity(self) -> str: ...
    @property
    def worth(self) -> Money: ...
    @property
    def decision(self) -> Decision: ...
    def sides(self) -> tuple[Side, Side]: ...


@dataclass(frozen=True, slots=True)
class Side:
    """Of one month: `worth` is what billing has in it less what the books have; `other` is the other month."""

    kind: str
    item: Item
    period: str
    other: str
    worth: Money

    @property
    def is_redated(self) -> bool:
        return self.kind in REDATED


@dataclass(slots=True)
class Sides:
    """Those of one legal entity's month, by kind and other month, in the order of KINDS."""

    found: dict[tuple[str, str], list[Side]] = field(default_factory=dict)

    def add(self, one: Side) -> None:
        self.found.setdefault((one.kind, one.other), []).append(one)

    def each(self) -> list[tuple[str, list[Side]]]:
        """(what is said of them, they themselves): "booked in the month by decision, dated in …"."""
        keys = sorted(self.found, key=lambda key: (list(KINDS).index(key[0]), key[1]))
        return [(KINDS[kind].format(month(other)), self.found[kind, other]) for kind, other in keys]
