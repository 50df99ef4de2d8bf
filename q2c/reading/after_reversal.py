"""What reversing a journal comes to for the invoice that it is about: in the books, and beside what billing has."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from ledger import journal
from ledger.models import JournalEntry
from q2c.models import Invoice
from q2c.reading import recorded_otherwise
from q2c.reading.differences import Difference
from q2c.stages import cancelled_there

_INVOICE = "invoice:"


@dataclass(frozen=True, slots=True)
class After:
    """`restores`: the entry took an invoice out of the books, which its own reversal puts back."""

    text: str
    restores: bool = False
    # Billing has taken the invoice back, or changed it, since it was booked.
    cancelled: bool = False
    changed: bool = False


def of(user: Any, entries: Sequence[JournalEntry]) -> dict[uuid.UUID, After]:
    """By entry id, each of them; of invoices that the user may not see only what becomes of the entry."""
    numbers = [entry.business_document.removeprefix(_INVOICE) for entry in entries]
    rows = list(Invoice.objects.visible_to(user).filter(number__in=numbers).exclude(state="voided")) if entries else []
    invoices = {(one.entity, f"{_INVOICE}{one.number}"): one for one in rows}
    gone = journal.taken_back([one.event_id for one in rows])
    otherwise = recorded_otherwise.of(user, Q(id__in=[one.id for one in rows]))
    changed = {one.invoice_id: one for one in otherwise if one.changed}
    gone_from = cancelled_there.taken_by(rows)
    found = {}
    for entry in entries:
        invoice = invoices.get((entry.entity.code, entry.business_document))
        found[entry.id] = _after(entry, invoice, gone, gone_from, changed)
    return found


def _after(
    entry: JournalEntry,
    invoice: Invoice | None,
    gone: set[uuid.UUID],
    gone_from: Mapping[uuid.UUID, str],
    changed: Mapping[uuid.UUID | None, Difference],
) -> After:
    said = f"From then on {entry} is reversed"
    if invoice is None:
        return After(f"{said}.", restores=entry.reverses_id is not None)
    cancelled, now = invoice.id in gone_from, changed.get(invoice.id)
    has = "has it otherwise" if now is not None and now.is_elsewhere else "has changed it since"
    if invoice.event_id in gone:
        since = f"{now.where} {has}" if now is not None else "In billing it stays as it is"
        there = f"{gone_from[invoice.id]} has taken it back" if cancelled else since
        text = f"{said}, and invoice {invoice.number} stands in the books again. {there}."
        return After(text, restores=True, cancelled=cancelled, changed=invoice.id in changed)
    if cancelled:
        there = f"{gone_from[invoice.id]} has taken it back already: the books then agree with it"
    elif now is not None:
        than = "than it is" if now.is_elsewhere else "it was"
        there = f"{now.where} {has} {than} booked, and has it posted so until it is voided there"
    else:
        there = "In billing it stays as it is"
    text = f"{said}, and invoice {invoice.number} stands in the books no more. {there}."
    return After(text, cancelled=cancelled, changed=invoice.id in changed)
