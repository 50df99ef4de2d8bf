"""The baseline of journals: copies of one booked entry, written with psycopg into tables of the same shape."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import uuid
from typing import Any

import psycopg
from django.db import connection
from psycopg.types.numeric import Int8

from q2c import keys
from q2c.engine import run
from tests.bench import books, raw

# An entry is a header and its lines; one statement-level trigger checks the balance of what was written.
BALANCED = """
CREATE OR REPLACE FUNCTION bench_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM new_rows GROUP BY entry_id HAVING sum(amount_minor) <> 0) THEN
    RAISE EXCEPTION 'unbalanced';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER bench_balanced AFTER INSERT ON {lines}
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION bench_balanced();
"""
# How a value is sent, by its type here: text goes into any column of text, whole numbers into any of theirs.
_SENT_AS = ((uuid.UUID, "uuid"), (bool, "bool"), (int, "int8"), (dt.datetime, "timestamptz"), (dt.date, "date"))
_numbers = itertools.count(1)

Row = dict[str, Any]


class Copies:
    """`lines` is how many an entry has."""

    def __init__(self, names: dict[str, str], crew: raw.Crew) -> None:
        self.crew = crew
        self.heads_to, self.lines_to = names["ledger_journalentry"], names["ledger_journalline"]
        (event_id,) = books.invoices(1)
        run.drain("record_invoice")
        connection.close()
        with raw.connect() as owner:
            owner.execute(BALANCED.format(lines=self.lines_to))
            (head,) = _rows(owner, "SELECT * FROM ledger_journalentry WHERE event_id = %s", event_id) or [{}]
            if not head:
                found = _rows(owner, "SELECT state, text FROM q2c_step WHERE event_id = %s", event_id)
                raise RuntimeError(f"the invoice to copy was not booked: {found}")
            query = "SELECT * FROM ledger_journalline WHERE entry_id = %s ORDER BY line"
            # Their id comes from the database, here as there.
            self.tails = [
                {name: value for name, value in row.items() if name != "id"}
                for row in _rows(owner, query, head["id"])
            ]  # fmt: skip
        self.head, self.lines = head, len(self.tails)

    def _entry(self) -> tuple[Row, list[Row]]:
        id_, mark = keys.new_id(), f"{next(_numbers):010}"
        head = {**self.head, "id": id_, "event_id": uuid.uuid4(), "number": f"US01-{mark}", "key": f"Q2C{mark}"}
        return head, [{**tail, "entry_id": id_} for tail in self.tails]

    def in_batches(self, size: int, times: int, connections: int) -> tuple[int, float]:
        """Entries and lines of a batch in one statement, from arrays."""
        sql = (
            f"WITH heads AS (INSERT INTO {self.heads_to} ({_names(self.head)}) {_from_arrays(self.head)})"
            f" INSERT INTO {self.lines_to} ({_names(self.tails[0])}) {_from_arrays(self.tails[0])}"
        )
        batches = [[self._entry() for _ in range(size)] for _ in range(times)]
        return self._written(connections, size * times, [
            (sql, [
                *_arrays([head for head, _ in batch]), *_arrays([tail for _, tails in batch for tail in tails]),
            ])
            for batch in batches
        ])  # fmt: skip

    def singly(self, count: int, connections: int) -> tuple[int, float]:
        """An entry with its lines in one statement each."""
        head_values = ", ".join(f"%b::{_type(value)}" for value in self.head.values())
        sql = (
            f"WITH heads AS (INSERT INTO {self.heads_to} ({_names(self.head)}) VALUES ({head_values}))"
            f" INSERT INTO {self.lines_to} ({_names(self.tails[0])}) {_from_arrays(self.tails[0])}"
        )
        entries = [self._entry() for _ in range(count)]
        return self._written(
            connections, count, [(sql, [*map(_sent, head.values()), *_arrays(tails)]) for head, tails in entries]
        )

    def _written(self, connections: int, count: int, statements: list[raw.Statement]) -> tuple[int, float]:
        lines, took_s = self.crew.run(statements, connections)
        if lines != count * self.lines:
            raise RuntimeError(f"the baseline wrote {lines} lines, {count * self.lines} expected")
        return count, took_s


def _rows(owner: psycopg.Connection[Any], query: str, key: uuid.UUID) -> list[Row]:
    """Without the columns that are empty: nothing is sent for them."""
    cursor = owner.execute(query, [key])
    names = [column.name for column in cursor.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    empty = {name for name in names if all(row[name] is None for row in rows)}
    return [{name: row[name] for name in names if name not in empty} for row in rows]


def _type(value: object) -> str:
    if isinstance(value, dict | list):
        return "text::jsonb"
    for kind, name in _SENT_AS:
        if isinstance(value, kind):
            return name
    return "text" if isinstance(value, str) else "numeric"


def _sent(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value)
    return Int8(value) if isinstance(value, int) else value


def _names(row: Row) -> str:
    return ", ".join(row)


def _from_arrays(row: Row) -> str:
    arrays = ", ".join(f"%b::{_type(value).partition(':')[0]}[]" for value in row.values())
    values = ", ".join(
        f"u.{name}::jsonb" if _type(value).endswith("jsonb") else f"u.{name}" for name, value in row.items()
    )
    return f"SELECT {values} FROM unnest({arrays}) AS u({_names(row)})"


def _arrays(rows: list[Row]) -> list[list[Any]]:
    return [[_sent(row[name]) for row in rows] for name in rows[0]]
