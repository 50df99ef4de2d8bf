"""State of a sandbox: documents in PostgreSQL, in a schema of the vendor's own, so that it survives restarts."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from q2c import clock

_lock = threading.Lock()
_pool: ConnectionPool | None = None

_SCHEMA = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.record (
  kind text NOT NULL, id text NOT NULL, number text, external_id text, body json NOT NULL,
  visible_at timestamptz NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
  seq bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (kind, id));
CREATE UNIQUE INDEX IF NOT EXISTS record_external ON {schema}.record (kind, external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS record_number ON {schema}.record (kind, number) WHERE number IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_updated ON {schema}.record (kind, updated_at, seq);
CREATE TABLE IF NOT EXISTS {schema}.counter (name text PRIMARY KEY, value bigint NOT NULL);
CREATE TABLE IF NOT EXISTS {schema}.setting (name text PRIMARY KEY, value json NOT NULL);
CREATE TABLE IF NOT EXISTS {schema}.fault (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, operation text NOT NULL DEFAULT '',
  value double precision NOT NULL DEFAULT 0, times int, until timestamptz, hits int NOT NULL DEFAULT 0);
"""


def pool() -> ConnectionPool:
    """The process's connections to SANDBOX_DATABASE_URL."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = ConnectionPool(os.environ["SANDBOX_DATABASE_URL"], min_size=1, max_size=24, open=True, timeout=30)
        return _pool


@dataclass(slots=True)
class Record:
    """One document. `body` is what the vendor would call the record, Decimals intact."""

    kind: str
    id: str
    number: str | None
    external_id: str | None
    body: dict[str, Any]
    visible_at: dt.datetime
    created_at: dt.datetime
    updated_at: dt.datetime


class Duplicate(Exception):
    """The id, number or external id is taken."""


class Store:
    """The documents of one vendor, inside one transaction."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str) -> None:
        self.connection, self.schema = connection, schema
        self.lag_s = 0.0

    def now(self) -> dt.datetime:
        """The sandbox's time: the machine's, or where control has moved it."""
        moved = self.setting("clock_offset_s", 0)
        return clock.now() + dt.timedelta(seconds=float(moved))

    def next(self, counter: str, start: int = 1) -> int:
        """The next number of a counter; gaps appear only where a transaction rolls back."""
        row = self.connection.execute(
            f"INSERT INTO {self.schema}.counter AS c VALUES (%s, %s) "
            f"ON CONFLICT (name) DO UPDATE SET value = c.value + 1 RETURNING value",
            [counter, start],
        ).fetchone()
        assert row is not None
        return int(row[0])

    def add(
        self, kind: str, id_: str, body: dict[str, Any], *, number: str | None = None, external_id: str | None = None
    ) -> Record:
        """A new document; raises Duplicate where id, number or external id is taken."""
        now = self.now()
        record = Record(kind, id_, number, external_id, body, now + dt.timedelta(seconds=self.lag_s), now, now)
        try:
            with self.connection.transaction():
                self.connection.execute(
                    f"INSERT INTO {self.schema}.record (kind, id, number, external_id, body, visible_at, created_at, "
                    f"updated_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                    [kind, id_, number, external_id, dumped(body), record.visible_at, now, now],
                )
        except psycopg.errors.UniqueViolation as taken:
            raise Duplicate(str(taken)) from None
        return record

    def put(self, record: Record) -> None:
        """Write a changed document back."""
        record.updated_at = self.now()
        self.connection.execute(
            f"UPDATE {self.schema}.record SET body = %s, number = %s, external_id = %s, updated_at = %s "
            f"WHERE kind = %s AND id = %s",
            [dumped(record.body), record.number, record.external_id, record.updated_at, record.kind, record.id],
        )

    def remove(self, kind: str, id_: str) -> bool:
        cursor = self.connection.execute(f"DELETE FROM {self.schema}.record WHERE kind = %s AND id = %s", [kind, id_])
        return cursor.rowcount > 0

    def get(self, kind: str, id_: str, *, lock: bool = False) -> Record | None:
        return self._one("kind = %s AND id = %s", [kind, id_], lock)

    def by_number(self, kind: str, number: str, *, lock: bool = False) -> Record | None:
        return self._one("kind = %s AND number = %s", [kind, number], lock)

    def by_external(self, kind: str, external_id: str, *, lock: bool = False) -> Record | None:
        return self._one("kind = %s AND external_id = %s", [kind, external_id], lock)

    def all(self, kind: str, where: str = "", values: list[Any] | None = None) -> list[Record]:
        """Visible documents of a kind, oldest first. `where` is SQL over the columns and body."""
        clause = "kind = %s AND visible_at <= %s" + (f" AND ({where})" if where else "")
        return list(self._rows(clause, [kind, self.now(), *(values or [])]))

    def _one(self, clause: str, values: list[Any], lock: bool) -> Record | None:
        rows = self._rows(f"{clause} AND visible_at <= %s", [*values, self.now()], " FOR UPDATE" if lock else "")
        return next(iter(rows), None)

    def _rows(self, clause: str, values: list[Any], tail: str = "") -> Iterator[Record]:
        cursor = self.connection.execute(
            f"SELECT kind, id, number, external_id, body::text, visible_at, created_at, updated_at "
            f"FROM {self.schema}.record WHERE {clause} ORDER BY seq{tail}",
            values,
        )
        for row in cursor:
            yield Record(row[0], row[1], row[2], row[3], json.loads(row[4], parse_float=Decimal), *row[5:])

    def setting(self, name: str, default: Any = None) -> Any:
        row = self.connection.execute(
            f"SELECT value::text FROM {self.schema}.setting WHERE name = %s", [name]
        ).fetchone()
        return default if row is None else json.loads(row[0], parse_float=Decimal)

    def set(self, name: str, value: Any) -> None:
        self.connection.execute(
            f"INSERT INTO {self.schema}.setting VALUES (%s, %s) "
            f"ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, dumped(value)],
        )

    def clear(self) -> None:
        """Everything of this vendor is gone: records, counters, settings, faults."""
        for table in ("record", "counter", "setting", "fault"):
            self.connection.execute(f"DELETE FROM {self.schema}.{table}")


def dumped(value: Any) -> str:
    """JSON text with Decimals as the numbers they are."""
    from q2c.connectors.http import json_body

    return json_body(value).decode()


def prepare(schema: str) -> None:
    """Make the vendor's schema. Safe where several processes start at once."""
    with pool().connection() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(7102)")
        connection.execute(_SCHEMA.format(schema=schema))


@contextmanager
def opened(schema: str) -> Iterator[Store]:
    """One transaction on the vendor's documents: committed at the end, rolled back by an exception."""
    with pool().connection() as connection:
        yield Store(connection, schema)
