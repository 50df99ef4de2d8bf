"""Invoices whose journal two people had reversed, or restored, in another month than the one that had it.

As a whole billing and the books agree: both have it, or neither. By month they do not, and will not: what stands in
each reconciles the two (decided_items.py), and is no difference. What does not agree as a whole is a difference in each
of its months (recorded_otherwise.py).
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from exceptions.models import Approval
from ledger.models import FiscalPeriod, JournalEntry
from q2c import bulk
from q2c.models import Invoice
from q2c.money import Money
from q2c.reading.two_months import Side
from q2c.reasons import Reason
from q2c.stages import asking, in_billing, sides
from q2c.stages.sides import Between
from q2c.stages.verb import Month

# What any mirror entry took out of one month, or brought back, in another; by its periods, which are few.
_TURNED = """
WITH RECURSIVE up AS (
  SELECT m.reverses_id, m.event_id FROM ledger_journalentry m JOIN ledger_journalentry e ON e.id = m.reverses_id
  WHERE m.reverses_id IS NOT NULL AND m.state IN ('posted', 'reversed') AND m.period_id <> e.period_id
  AND (m.period_id = ANY(%s::uuid[]) OR e.period_id = ANY(%s::uuid[]))
  UNION SELECT e.reverses_id, e.event_id FROM up u JOIN ledger_journalentry e ON e.id = u.reverses_id
)
SELECT DISTINCT i.id FROM up JOIN q2c_invoice i ON i.event_id = up.event_id WHERE up.reverses_id IS NULL
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """The mirror entry, and the two people who decided it, by user name, or empty: it was made without them."""

    entry_id: uuid.UUID
    journal: str
    effective_on: dt.date
    reason: str
    asked_by: str
    approved_by: str
    at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Item:
    """`worth` is what it comes to. In the month `earlier` billing has `minor` more than the books, in `later` as much
    less. `restores`: the turn brought back what was reversed in `earlier`. `is_gone`: billing has taken it back.
    """

    invoice_id: uuid.UUID
    number: str
    entity: str
    worth: Money
    earlier: str
    later: str
    minor: int
    decision: Turn
    restores: bool
    is_gone: bool

    def sides(self) -> tuple[Side, Side]:
        before, after = ("reversed_before", "restored") if self.restores else ("booked_before", "reversed")
        more = Money(self.minor, self.worth.currency)
        return Side(before, self, self.earlier, self.later, more), Side(after, self, self.later, self.earlier, -more)


def of(user: Any, months: Collection[Month]) -> list[Item]:
    """Those that stand in any of these (legal entity, period), by number. A dozen statements at most, two where
    nothing was reversed in another month."""
    entities, names = {entity for entity, _ in months}, {name for _, name in months}
    around = FiscalPeriod.objects.filter(entity__code__in=entities, name__in=names)
    ids = list(around.values_list("id", flat=True))
    turned = [id_ for (id_,) in bulk.execute(_TURNED, [ids, ids])]
    seen = Invoice.objects.visible_to(user).filter(id__in=turned).exclude(state__in=("voided", "credited"))
    return _of(list(seen.order_by("number", "id"))) if turned else []


def of_invoice(invoice: Invoice) -> list[Item]:
    """In the order of months."""
    return _of([invoice]) if invoice.state not in ("voided", "credited") else []


def _of(invoices: Sequence[Invoice]) -> list[Item]:
    books = sides.books_of(invoices)
    settled = {one.id: sides.settled(one, books[one.id]) for one in invoices}
    changed = in_billing.newest([one for one in invoices if settled[one.id] and one.taken_back_at is None])
    found = [(one, between) for one in invoices if one.id not in changed for between in settled[one.id]]
    turns = _turns([between.entry_id for _, between in found])
    return [_item(one, between, turns[between.entry_id]) for one, between in found]


def _item(one: Invoice, between: Between, turn: Turn) -> Item:
    restores = (between.minor > 0) == (one.total_minor > 0)
    (entity, earlier), (_, later), gone = between.earlier, between.later, one.taken_back_at is not None
    worth = Money(one.total_minor, one.currency)
    return Item(one.id, one.number, entity, worth, earlier, later, between.minor, turn, restores, gone)


def _turns(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Turn]:
    """By entry. Who asked is whoever sent the request, who signed is kept with its case."""
    entries = JournalEntry.objects.in_bulk(ids) if ids else {}
    events = {entry.event_id for entry in entries.values()}
    asked = asking.of_events(events) if events else {}
    signed = Approval.objects.filter(
        action=Reason.REVERSAL_APPROVAL_REQUIRED, state="approved", case__event_id__in=events
    )
    rows = signed.order_by("decided_at").values_list("case__event_id", "decided_by__username", "decided_at")
    by = {event_id: (name or "", at) for event_id, name, at in rows} if events else {}
    return {
        id_: Turn(
            id_, str(entry), entry.effective_on, entry.memo,
            asked[entry.event_id].actor if entry.event_id in asked and asked[entry.event_id].name else "",
            *by.get(entry.event_id, ("", None)),
        )
        for id_, entry in entries.items()
    }  # fmt: skip
