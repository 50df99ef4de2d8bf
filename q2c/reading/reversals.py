"""What was reversed: journals and the entries that mirror them, and the invoices that left the books by that."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ledger import journal
from ledger.models import JournalEntry
from q2c.models import Invoice


@dataclass(frozen=True, slots=True)
class Reversal:
    """`entry` is mirrored by `mirror`. Until the mirror is posted the reversal is under way."""

    entry: JournalEntry
    mirror: JournalEntry

    @property
    def done(self) -> bool:
        return bool(self.entry.state == "reversed")


def of_entries(user: Any, entries: Iterable[JournalEntry]) -> dict[uuid.UUID, Reversal]:
    """The reversal that an entry is part of, from either side, by the entry's id; two statements."""
    entries = list(entries)
    seen = JournalEntry.objects.visible_to(user)
    originals = {one.id: one for one in seen.filter(id__in={one.reverses_id for one in entries if one.reverses_id})}
    mirrors = _mirrors(seen, [one.id for one in entries])
    found = {one.id: Reversal(originals[one.reverses_id], one) for one in entries if one.reverses_id in originals}
    return found | {one.id: Reversal(one, mirrors[one.id]) for one in entries if one.id in mirrors}


def of_invoices(user: Any, invoices: Sequence[Invoice]) -> dict[uuid.UUID, Reversal]:
    """The invoices whose journal is, or is being, reversed, by invoice id; three statements at most."""
    seen = JournalEntry.objects.visible_to(user).select_related("entity")
    booked = seen.filter(
        business_document__in={f"invoice:{invoice.number}" for invoice in invoices}, reverses__isnull=True
    ).exclude(state="superseded")
    by_document = {(one.entity.code, one.business_document): one for one in booked.order_by("id")}
    mirrors = _mirrors(seen, [one.id for one in by_document.values()])
    # A mirror that was reversed itself took nothing back in the end, unless that was reversed again, and so on.
    turned = [one.event_id for one in by_document.values() if one.id in mirrors and mirrors[one.id].state == "reversed"]
    restored = set(turned) - journal.taken_back(turned)
    found = {}
    for invoice in invoices:
        entry = by_document.get((invoice.entity, f"invoice:{invoice.number}"))
        if entry is not None and entry.id in mirrors and entry.event_id not in restored:
            found[invoice.id] = Reversal(entry, mirrors[entry.id])
    return found


def _mirrors(seen: Any, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, JournalEntry]:
    living = seen.filter(reverses__in=ids).exclude(state="superseded") if ids else ()
    return {one.reverses_id: one for one in living}
