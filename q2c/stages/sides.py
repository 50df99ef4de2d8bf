"""What the books have of a recorded invoice by legal entity and period, beside what billing has by its newest version.

The books: the entry that books it, which may still be on its way to the ledger, and every mirror entry that is posted.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from q2c import bulk
from q2c.models import Invoice
from q2c.money import Money
from q2c.stages.fiscal import periods_on
from q2c.stages.verb import Month, Side

# A mirror negates its entry, so the invoice's total is turned once with each.
# (invoice, entity, period, date, turns, entry)
_BOOKS = """
WITH RECURSIVE booked AS (
  SELECT DISTINCT ON (i.id) i.id AS invoice, e.id, e.entity_id, e.period_id, e.effective_on
  FROM q2c_invoice i JOIN ledger_journalentry e ON e.event_id = i.event_id
  WHERE i.id = ANY(%s::uuid[]) AND e.reverses_id IS NULL AND e.state <> 'superseded' ORDER BY i.id, e.id DESC
), chain AS (
  SELECT b.*, 0 AS turns FROM booked b
  UNION ALL
  SELECT c.invoice, m.id, m.entity_id, m.period_id, m.effective_on, c.turns + 1 FROM ledger_journalentry m JOIN chain c
  ON m.reverses_id = c.id WHERE m.state IN ('posted', 'reversed')
) CYCLE id SET again USING way
SELECT c.invoice, n.code, p.name, c.effective_on, c.turns, c.id
FROM chain c JOIN ledger_legalentity n ON n.id = c.entity_id JOIN ledger_fiscalperiod p ON p.id = c.period_id
ORDER BY c.turns
"""


@dataclass(slots=True)
class Books:
    """Of one invoice: minor units by (legal entity, period).

    `booked_in` and `booked_on` are those of its entry, before any turn: another day than its own where it was re-dated.
    `stands`: nothing took it back, or what did was taken back itself. `turns` are the months of the entries one
    after the other: booked, reversed, booked again. `last` is the latest entry of each month.
    """

    booked_in: Month
    booked_on: dt.date
    months: dict[Month, int] = field(default_factory=lambda: defaultdict(int))
    stands: bool = True
    turns: list[Month] = field(default_factory=list)
    last: dict[Month, UUID] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.months.values())

    @property
    def is_as_booked(self) -> bool:
        """Whether all of it is where its entry booked it: no turn has left anything elsewhere."""
        return self.stands and not any(minor for month, minor in self.months.items() if month != self.booked_in)


@dataclass(frozen=True, slots=True)
class Between:
    """What billing has in `earlier` less what the books have there, minor units; in `later`, where `entry_id` left it
    so, it is as much the other way round."""

    earlier: Month
    later: Month
    minor: int
    entry_id: UUID


@dataclass(frozen=True, slots=True)
class Version:
    """What billing says of an invoice by now."""

    entity: str
    issued_on: dt.date
    worth: Money


def books_of(invoices: Sequence[Invoice]) -> dict[UUID, Books]:
    """By invoice id, each of them; what booked nothing, since all of it is zero, counts where its date is."""
    if not invoices:
        return {}
    worth, found = {one.id: one.total_minor for one in invoices}, dict[UUID, Books]()
    for id_, entity, period, day, turns, entry_id in bulk.execute(_BOOKS, [list(worth)]):
        books = found.setdefault(id_, Books((entity, period), day))
        books.months[entity, period] += -worth[id_] if turns % 2 else worth[id_]
        books.stands = turns % 2 == 0
        books.turns.append((entity, period))
        books.last[entity, period] = entry_id
    rest = [one for one in invoices if one.id not in found]
    periods = periods_on({(one.entity, one.issued_on) for one in rest})
    return found | {one.id: Books((one.entity, periods[one.entity, one.issued_on]), one.issued_on) for one in rest}


def month_of(one: Invoice, books: Books, now: Version, periods: Mapping[tuple[str, dt.date], str]) -> Month:
    """Where billing has it: what was re-dated here stands in its period by decision, so only what billing moved, to
    another day or legal entity, is elsewhere. `periods` by (entity, day).
    """
    if now.entity == one.entity and now.issued_on == one.issued_on:
        return books.booked_in
    return now.entity, periods[now.entity, now.issued_on]


def apart(one: Invoice, books: Books, now: Version | None, in_month: Month | None) -> tuple[Side, ...]:
    """Each legal entity and period in which the books and billing differ, in the order of periods.

    `now` is None where billing has it as it was recorded; `in_month` is where billing has it, None where it has it no
    more. What both have, or neither has, in the end is settled: what the turns left in single months was decided
    (settled()). Changed in billing to the same worth it is one side of nothing.
    """
    is_gone = in_month is None
    if (is_gone and not books.stands) or (books.stands and now is None and not is_gone):
        return ()
    there = now.worth if now is not None else Money(one.total_minor, one.currency)
    months = set(books.months) | ({in_month} if in_month is not None else set())
    sides = [
        _side(month, Money(books.months.get(month, 0), one.currency), there if month == in_month else None)
        for month in sorted(months, key=lambda month: (month[1], month == in_month, month[0]))
    ]
    differing = tuple(side for side in sides if side.minor != 0)
    if differing or not books.stands:
        return differing
    return tuple(side for side in sides if (side.entity, side.period) == in_month)


def settled(one: Invoice, books: Books) -> list[Between]:
    """Of what billing has as it was recorded, or has no more, and the books as well: what turns left in other months.

    Turns go forward in time and each undoes the one before, so the months that differ are by twos, and by the same
    amount. Empty where the two do not agree as a whole. Where billing changed it since, is for the caller to know.
    """
    gone = one.taken_back_at is not None
    if books.stands == gone:
        return []
    there = {} if gone else {books.booked_in: one.total_minor}
    months = sorted(set(books.months) | set(there), key=lambda month: month[1])
    more = [(month, minor) for month in months if (minor := there.get(month, 0) - books.months.get(month, 0))]
    return [
        Between(earlier, later, minor, books.last[later])
        for (earlier, minor), (later, _) in zip(more[::2], more[1::2], strict=True)
    ]


def _side(month: Month, booked: Money, now: Money | None) -> Side:
    nothing = now is None or not now.minor
    currency = booked.currency if nothing or now is None else now.currency
    more: int | None = (now.minor if now is not None else 0) - booked.minor
    if not nothing and booked.minor and currency != booked.currency:
        more = None
    return Side(*month, more, currency, booked.minor, now.minor if now is not None else 0)
