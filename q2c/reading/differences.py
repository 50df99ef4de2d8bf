"""What billing, the books and the ledger have otherwise: one row each, and their sums."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from exceptions.models import Case
from q2c.models import Step
from q2c.money import Money
from q2c.reasons import DIFFERENCES
from q2c.stages.verb import Month, Side

# By kind: what it is counted as, and in which words. The order in which they are told.
KINDS = {
    "invoice": ("invoice", "posted in billing, not in the books"),
    "journal": ("journal", "in the books here, not in the ledger"),
    "changed": ("invoice", "booked otherwise than billing has it"),
    "moved": ("invoice", "booked in the month, in another month or legal entity in billing"),
    "moved_here": ("invoice", "in the month in billing, booked in another month or legal entity"),
    "cancelled": ("invoice", "in the books, not in billing"),
    "unread": ("invoice", "booked, and given up unread as billing has it by now"),
}
# Open cases of these are about such a difference: it stands with the differences, and not in what waits to be booked.
REASONS = DIFFERENCES
# By these the books would change, up or down: billing less books.
SIGNED = frozenset({"changed", "moved", "moved_here", "cancelled", "unread"})


@dataclass(frozen=True, slots=True)
class CutOff:
    """Of a booked invoice that billing moved into another period or legal entity: what counts where, here and there.

    `now_entity` is the other legal entity, empty where it stayed with `entity`.
    """

    booked: Money
    entity: str
    booked_in: str
    booked_on: dt.date
    now: Money
    now_entity: str
    now_in: str
    now_on: dt.date


@dataclass(frozen=True, slots=True)
class Stands:
    """Of an invoice whose journal was reversed, in several legal entities or periods: where billing has it, None where
    it has it no more, and those of the entry that booked it and of each that turned it, one after the other.

    `counts_in` is where it counts by a decision about its date.
    """

    billed_in: Month | None
    counts_in: Month | None
    turns: tuple[Month, ...]
    booked_currency: str

    @property
    def two_entities(self) -> bool:
        return len({entity for entity, _ in (*self.turns, *([self.billed_in] if self.billed_in else []))}) > 1

    @property
    def told(self) -> list[tuple[str, str, str]]:
        """(what happened, legal entity, period): booked in, reversed in, booked again in."""
        said = ("booked again in", "reversed in")
        return [(said[n % 2] if n else "booked in", *month) for n, month in enumerate(self.turns)]


@dataclass(frozen=True, slots=True)
class Difference:
    """`kind` is one of KINDS; `where` is the billing system that has it, or has it no more; of a journal the ledger
    that lacks it. `why` is given_up, reversed, changed or cancelled.

    `number` is what people call it. Amounts are minor units, a credit is negative; of kinds in SIGNED it is what
    billing has in the period less what is booked in it, which may be nothing, and None where the currency is another,
    or the total of what is `unread`.
    `period` is the one in which the books have it, lost it or would have had it.

    `sides`, each with its kind, are the months of what was reversed, or restored elsewhere: what billing has in each
    less what the books have there. `amount_minor` is then what that comes to as a whole; `side` is the one that a row
    is of. `changed`: billing has another version of it than the one that was booked.
    """

    kind: str
    number: str
    where: str
    entity: str
    period: str
    amount_minor: int | None
    currency: str
    why: str = "given_up"
    step: Step | None = None
    case: Case | None = None
    invoice_id: uuid.UUID | None = None
    # The legal entity of the recorded invoice, which has that number.
    booked_by: str = ""
    cut_off: CutOff | None = None
    # Whether somebody works on it: its case is open.
    is_open: bool = False
    changed: bool = False
    # Another system told of it first, and it is booked as that one told.
    is_elsewhere: bool = False
    # The case of what came of it since and cannot be read.
    again: Case | None = None
    # Of what is unread, who gave that up.
    by: str = ""
    sides: tuple[tuple[str, Side], ...] = ()
    side: Side | None = None
    stands: Stands | None = None

    @property
    def is_unread(self) -> bool:
        """What billing has of it cannot be read, booked or not."""
        return self.kind == "unread" or (self.kind == "invoice" and self.step is None and self.invoice_id is None)

    @property
    def two_entities(self) -> bool:
        return len({side.entity for _, side in self.sides}) > 1

    def by_period(self) -> list[Difference]:
        """Itself; of what counts elsewhere in billing, that side as well; of what was turned, each of its sides."""
        if self.sides:
            return [
                replace(
                    self, kind=kind, entity=side.entity, period=side.period, amount_minor=side.minor,
                    currency=side.currency, sides=(), side=side,
                )
                for kind, side in self.sides
            ]  # fmt: skip
        if self.cut_off is None:
            return [self]
        cut, now = self.cut_off, self.cut_off.now
        there = replace(self, kind="moved_here", period=cut.now_in, amount_minor=now.minor, currency=now.currency)
        return [self, replace(there, entity=cut.now_entity or self.entity)]


@dataclass(slots=True)
class Sums:
    """How many of each kind, and what they are worth: minor units by currency."""

    found: dict[str, list[Difference]] = field(default_factory=dict)

    def add(self, one: Difference) -> None:
        self.found.setdefault(one.kind, []).append(one)

    def count(self, kind: str) -> int:
        return len(self.found.get(kind, ()))

    def each(self, kind: str) -> list[tuple[int, str]]:
        """(minor units, currency) of each one of a kind."""
        found = self.found.get(kind, ())
        return [(one.amount_minor, one.currency) for one in found if one.currency and one.amount_minor is not None]

    def of(self, kind: str) -> list[tuple[int, str]]:
        """(minor units, currency) of all of one kind, charges less credits."""
        sums: Counter[str] = Counter()
        for minor, currency in self.each(kind):
            sums[currency] += minor
        return [(minor, currency) for currency, minor in sorted(sums.items())]

    @property
    def kinds(self) -> list[str]:
        return [kind for kind in KINDS if kind in self.found]


def by_invoice(found: Iterable[Difference]) -> dict[uuid.UUID, list[Difference]]:
    """By the invoice that is recorded; those of which none is are left out."""
    apart: dict[uuid.UUID, list[Difference]] = {}
    for one in found:
        if one.invoice_id is not None:
            apart.setdefault(one.invoice_id, []).append(one)
    return apart
