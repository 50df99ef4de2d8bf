"""How entries get into the tables: a few statements per batch, whatever its size.

Drafts and their lines first; the row of each number series is locked last, so it is held for the shortest time.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from django.db import connection

from ledger.models import JournalEntry
from ledger.models.series import DIGITS, prefix
from ledger.rules import DerivedLine
from q2c import states


class SeriesFull(RuntimeError):
    """A series has come to its last number: ten million entries of one entity, year and journal."""


class DraftLine(NamedTuple):
    """A journal line about to be written; a DerivedLine is one too."""

    line: int
    account_id: int
    amount_minor: int
    functional_minor: int
    group_minor: int
    dimensions_json: str
    memo: str
    rule_line_id: int | None


@dataclass(slots=True)
class Header:
    """The columns of an entry about to be written."""

    id: uuid.UUID
    correlation_id: uuid.UUID
    entity_id: int
    journal: str
    fiscal_year: int
    event_id: uuid.UUID
    event_type: str
    rule_set: str
    generation: int
    rules_used: str
    matched: list[dict[str, Any]]
    effective_on: dt.date
    booked_at: dt.datetime
    period_id: uuid.UUID
    subledger: str
    currency: str
    functional_currency: str
    group_currency: str
    functional_rate: Decimal
    group_rate: Decimal
    customer: str
    memo: str
    business_document: str
    key: str
    line_count: int
    total_minor: int
    worth_minor: int
    reverses_id: uuid.UUID | None


class Draft(NamedTuple):
    """An entry about to be written; `number_code` begins its number."""

    header: Header
    number_code: str
    lines: Sequence[DraftLine | DerivedLine]


_COLUMNS = {
    "id": "uuid",
    "correlation_id": "uuid",
    "entity_id": "bigint",
    "journal": "text",
    "fiscal_year": "smallint",
    "event_id": "uuid",
    "event_type": "text",
    "rule_set": "text",
    "generation": "smallint",
    "rules_used": "text",
    "matched": "jsonb",
    "effective_on": "date",
    "booked_at": "timestamptz",
    "period_id": "uuid",
    "subledger": "text",
    "currency": "text",
    "functional_currency": "text",
    "group_currency": "text",
    "functional_rate": "numeric",
    "group_rate": "numeric",
    "customer": "text",
    "memo": "text",
    "business_document": "text",
    "key": "text",
    "line_count": "integer",
    "total_minor": "bigint",
    "worth_minor": "bigint",
    "reverses_id": "uuid",
}
_NAMES = ", ".join(_COLUMNS)
# One JSON text is parsed faster than twenty-five arrays are escaped.
_INSERT_ENTRIES = (
    f"INSERT INTO ledger_journalentry ({_NAMES}, state, document_number, posted_reference)"
    f" SELECT {_NAMES}, '{states.initial(JournalEntry)}', '', ''"
    f" FROM json_to_recordset(%s) AS r({', '.join(f'{n} {t}' for n, t in _COLUMNS.items())})"
    # Without a target, so that every unique index is looked at before it is waited for: two who insert one entry at
    # once would lock up between that of the key and that of the event.
    " ON CONFLICT DO NOTHING RETURNING id"
)
_COPY_LINES = (
    "COPY ledger_journalline (entry_id, line, account_id, amount_minor, functional_minor, group_minor, dimensions,"
    " customer, memo, rule_line_id) FROM STDIN"
)
# Text COPY: backslash first of all, then what would end a field or a row.
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def write_ready(drafts: Sequence[Draft]) -> dict[uuid.UUID, str]:
    """Insert, number and freeze; {entry id: number} of what was written.

    A draft whose (event, entity, rule set, generation) exists already, or is just being written by somebody
    else, is left out. Runs in the caller's transaction and holds the series until its end.
    """
    if not drafts:
        return {}
    inserted = _insert_entries(drafts)
    written = [draft for draft in drafts if draft.header.id in inserted]
    if not written:
        return {}
    _copy_lines(written)
    return _number(written)


def _insert_entries(drafts: Sequence[Draft]) -> set[uuid.UUID]:
    # In the order of the events, so that two batches with the same events wait for each other instead of locking up.
    headers = sorted((draft.header for draft in drafts), key=lambda header: header.event_id.int)
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_ENTRIES, [msgspec.json.encode(headers).decode()])
        return {row[0] for row in cursor.fetchall()}


def _copy_lines(drafts: Sequence[Draft]) -> None:
    rows = []
    for draft in drafts:
        head = str(draft.header.id)
        customer = draft.header.customer.translate(_ESCAPES)
        for line in draft.lines:
            rule_line = "\\N" if line.rule_line_id is None else line.rule_line_id
            dimensions, memo = line.dimensions_json.translate(_ESCAPES), line.memo.translate(_ESCAPES)
            rows.append(
                f"{head}\t{line.line}\t{line.account_id}\t{line.amount_minor}\t{line.functional_minor}\t"
                f"{line.group_minor}\t{dimensions}\t{customer}\t{memo}\t{rule_line}\n"
            )
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(_COPY_LINES) as copy:
        copy.write("".join(rows))


def _number(drafts: Sequence[Draft]) -> dict[uuid.UUID, str]:
    series_of = [(d.header.entity_id, d.header.fiscal_year, d.header.journal) for d in drafts]
    reached = _lock_series({series: draft.number_code for series, draft in zip(series_of, drafts, strict=True)})
    numbers: dict[uuid.UUID, str] = {}
    for series, draft in zip(series_of, drafts, strict=True):
        begins, last = reached[series]
        if last + 1 >= 10**DIGITS:
            raise SeriesFull(f"{begins} has no number left")
        reached[series] = (begins, last + 1)
        numbers[draft.header.id] = f"{begins}{last + 1:0{DIGITS}d}"
    sources, target = states.edge(JournalEntry, "make_ready")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger_journalentry e SET state = %s, number = n.number"
            " FROM json_to_recordset(%s) AS n(id uuid, number text) WHERE e.id = n.id AND e.state = ANY(%s)",
            [target, json.dumps([{"id": str(i), "number": n} for i, n in numbers.items()]), sources],
        )
    return numbers


def _lock_series(wanted: dict[tuple[int, int, str], str]) -> dict[tuple[int, int, str], tuple[str, int]]:
    """{(entity, fiscal year, journal): (prefix, last number)}, each row made where missing and locked, in one order."""
    rows: list[dict[str, Any]] = [
        {"entity_id": key[0], "fiscal_year": key[1], "journal": key[2], "prefix": prefix(code, key[1], key[2])}
        for key, code in sorted(wanted.items())
    ]
    document = json.dumps(rows)
    source = "json_to_recordset(%s) AS r(entity_id bigint, fiscal_year smallint, journal text, prefix text)"
    locked = (
        "SELECT s.entity_id, s.fiscal_year, s.journal, s.prefix, s.last_number FROM ledger_journalseries s"
        f" JOIN {source} USING (entity_id, fiscal_year, journal)"
        " ORDER BY s.entity_id, s.fiscal_year, s.journal FOR UPDATE OF s"
    )
    with connection.cursor() as cursor:
        cursor.execute(locked, [document])
        found = cursor.fetchall()
        if len(found) < len(rows):
            cursor.execute(
                "INSERT INTO ledger_journalseries (entity_id, fiscal_year, journal, prefix, last_number)"
                f" SELECT entity_id, fiscal_year, journal, prefix, 0 FROM {source}"
                # Without a target: two who make it at once may meet at either of its unique indexes.
                " ON CONFLICT DO NOTHING",
                [document],
            )
            cursor.execute(locked, [document])
            found = cursor.fetchall()
    return {(entity, year, journal): (begins, last) for entity, year, journal, begins, last in found}
