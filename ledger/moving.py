"""Entries on their way to the ERP, many at once. Who and why come from q2c.states.say or acting."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from ledger.models import JournalEntry
from q2c import clock, states


@dataclass(frozen=True, slots=True)
class Document:
    """What the ERP made of an entry: the number that people see there, and its own id."""

    entry_id: uuid.UUID
    document_number: str
    posted_reference: str


def mark_posting(ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """ready or blocked → posting; the ids that moved."""
    return states.move(JournalEntry, "start_posting", ids)


def mark_blocked(ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """posting → blocked: a person must look; the ids that moved. What the ERP may hold is not to be derived anew."""
    return states.move(JournalEntry, "block", ids)


def mark_posted(documents: Sequence[Document]) -> list[uuid.UUID]:
    """posting → posted with the ERP's document; the ids that moved. An entry whose mirror is posted is reversed."""
    if not documents:
        return []
    sources, target = states.edge(JournalEntry, "post")
    rows = [{"id": str(d.entry_id), "number": d.document_number, "reference": d.posted_reference} for d in documents]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger_journalentry e SET state = %s, posted_at = %s, document_number = d.number,"
            " posted_reference = d.reference FROM json_to_recordset(%s) AS d(id uuid, number text, reference text)"
            " WHERE e.id = d.id AND e.state = ANY(%s) RETURNING e.id, e.reverses_id",
            [target, clock.now(), json.dumps(rows), sources],
        )
        moved = cursor.fetchall()
    states.move(JournalEntry, "reverse", [original for _, original in moved if original])
    return [entry_id for entry_id, _ in moved]
