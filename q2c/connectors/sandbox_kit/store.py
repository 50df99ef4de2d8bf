"""State of a sandbox: documents in PostgreSQL, in a schema of the vendor's own, so that it survives restarts."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from q2c import clock

_lock = threading.Lock()
_pool: ConnectionPool | None = None
# Threads whose transaction changed a setting, and those that began anew.
_written: set[int] = set()
_cleared: set[int] = set()

# What LIKE would take for a pattern.
_LIKE = str.maketrans({character: f"\\{character}" for character in "\\%_"})

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
            _pool = ConnectionPool(
                os.environ["SANDBOX_DATABASE_URL"], min_size=2, max_size=24, open=True, timeout=30,
                # What a power cut takes from a sandbox nobody misses; what a killed process wrote stays.
                kwargs={"options": "-c synchronous_commit=off", "application_name": "sandboxes"},
            )  # fmt: skip
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
    seq: int = 0


class Duplicate(Exception):
    """The id, number or external id is taken."""


class Store:
    """The documents of one vendor, inside one transaction."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str) -> None:
        self.connection, self.schema = connection, schema
        self.lag_s = 0.0
        # What is to be done once the transaction is committed, and not at all where it is rolled back.
        self.afterwards: list[Callable[[], Any]] = []

    def now(self) -> dt.datetime:
        """The sandbox's time: the machine's, or where control has moved it."""
        return clock.now() + dt.timedelta(seconds=float(self.setting("clock_offset_s", 0)))

    def next(self, counter: str, start: int = 1) -> int:
        """The next number of a counter. Numbers are not given back: a refused document or a restart leaves gaps."""
        return COUNTERS.next(self.schema, counter, start)

    def add(
        self, kind: str, id_: str, body: dict[str, Any], *, number: str | None = None, external_id: str | None = None
    ) -> Record:
        """A new document; raises Duplicate where id, number or external id is taken."""
        now = self.now()
        # Search lag is a matter of the machine's seconds, wherever the sandbox's clock stands.
        visible_at = clock.now() + dt.timedelta(seconds=self.lag_s)
        record = Record(kind, id_, number, external_id, body, visible_at, now, now)
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

    def get(self, kind: str, id_: str, *, lock: bool = False, hidden: bool = False) -> Record | None:
        """By id; `hidden` finds also what search lag still hides."""
        return self._one("kind = %s AND id = %s", [kind, id_], lock, hidden)

    def by_number(self, kind: str, number: str, *, lock: bool = False, hidden: bool = False) -> Record | None:
        return self._one("kind = %s AND number = %s", [kind, number], lock, hidden)

    def by_external(self, kind: str, external_id: str, *, lock: bool = False, hidden: bool = False) -> Record | None:
        return self._one("kind = %s AND external_id = %s", [kind, external_id], lock, hidden)

    def all(self, kind: str, where: str = "", values: list[Any] | None = None, *, hidden: bool = False) -> list[Record]:
        """Visible documents of a kind, oldest first; `hidden`: all. `where` is SQL over the columns and body."""
        seen, at = ("", []) if hidden else (" AND visible_at <= %s", [clock.now()])
        clause = f"kind = %s{seen}" + (f" AND ({where})" if where else "")
        return list(self._rows(clause, [kind, *at, *(values or [])]))

    def page(self, kind: str, where: str, values: list[Any], order: str, limit: int) -> list[Record]:
        """The first `limit` visible documents in another order than that of age. `order` is SQL."""
        clause = "kind = %s AND visible_at <= %s" + (f" AND ({where})" if where else "")
        return list(self._rows(clause, [kind, clock.now(), *values], f" LIMIT {limit:d}", order))

    def search(self, kind: str, find: str, skip: int, most: int) -> tuple[int, list[Record]]:
        """How many documents of a kind hold this text anywhere, and `most` of them from `skip` on, oldest first."""
        clause, values = "kind = %s AND concat_ws(' ', id, number, external_id, body::text) ILIKE %s", [
            kind, f"%{find.translate(_LIKE)}%",
        ]  # fmt: skip
        counted = self.connection.execute(f"SELECT count(*) FROM {self.schema}.record WHERE {clause}", values)
        total = int(counted.fetchone()[0])  # type: ignore[index]
        tail = f" LIMIT {max(0, int(most))} OFFSET {max(0, int(skip))}"
        return total, list(self._rows(clause, values, tail))

    def count(self, kind: str) -> int:
        sql = f"SELECT count(*) FROM {self.schema}.record WHERE kind = %s"
        return int(self.connection.execute(sql, [kind]).fetchone()[0])  # type: ignore[index]

    def _one(self, clause: str, values: list[Any], lock: bool, hidden: bool) -> Record | None:
        seen, tail = ("", []) if hidden else (" AND visible_at <= %s", [clock.now()])
        rows = self._rows(f"{clause}{seen}", [*values, *tail], " FOR UPDATE" if lock else "")
        return next(iter(rows), None)

    def _rows(self, clause: str, values: list[Any], tail: str = "", order: str = "seq") -> Iterator[Record]:
        cursor = self.connection.execute(
            f"SELECT kind, id, number, external_id, body::text, visible_at, created_at, updated_at, seq "
            f"FROM {self.schema}.record WHERE {clause} ORDER BY {order}{tail}",
            values,
        )
        for row in cursor:
            yield Record(row[0], row[1], row[2], row[3], json.loads(row[4], parse_float=Decimal), *row[5:])

    def setting(self, name: str, default: Any = None) -> Any:
        """A setting of the sandbox, such as a switch; read from memory, since one process serves a sandbox."""
        return SETTINGS.read(self.schema, self.connection).get(name, default)

    def set(self, name: str, value: Any) -> None:
        self.connection.execute(
            f"INSERT INTO {self.schema}.setting VALUES (%s, %s) "
            f"ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, dumped(value)],
        )
        self._changed()

    def clear(self) -> None:
        """Everything of this vendor is gone: records, counters, settings, faults."""
        for table in ("record", "counter", "setting", "fault"):
            self.connection.execute(f"DELETE FROM {self.schema}.{table}")
        _cleared.add(threading.get_ident())
        self._changed()

    def _changed(self) -> None:
        SETTINGS.forget(self.schema)
        _written.add(threading.get_ident())


class Settings:
    """Settings by schema, kept in memory until one changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, dict[str, Any]] = {}
        self._version = 0

    def read(self, schema: str, connection: psycopg.Connection[Any]) -> dict[str, Any]:
        with self._lock:
            held, version = self._held.get(schema), self._version
        if held is None:
            rows = connection.execute(f"SELECT name, value::text FROM {schema}.setting").fetchall()
            held = {name: json.loads(value, parse_float=Decimal) for name, value in rows}
            with self._lock:
                if version == self._version:
                    self._held[schema] = held
        return held

    def forget(self, schema: str) -> None:
        with self._lock:
            self._held.pop(schema, None)
            self._version += 1


class Counters:
    """Numbers in blocks on a connection of their own, so that no two documents wait for each other's commit."""

    BLOCK = 20

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: dict[tuple[str, str], tuple[int, int]] = {}
        self._connection: psycopg.Connection[Any] | None = None

    def next(self, schema: str, name: str, start: int) -> int:
        with self._lock:
            value, end = self._blocks.get((schema, name), (0, 0))
            if value >= end:
                end = self._more(schema, name, start)
                value = end - self.BLOCK
            self._blocks[schema, name] = (value + 1, end)
            return value

    def _more(self, schema: str, name: str, start: int) -> int:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(os.environ["SANDBOX_DATABASE_URL"], autocommit=True)
        row = self._connection.execute(
            f"INSERT INTO {schema}.counter AS c VALUES (%s, %s) "
            f"ON CONFLICT (name) DO UPDATE SET value = c.value + %s RETURNING value",
            [name, start + self.BLOCK, self.BLOCK],
        ).fetchone()
        assert row is not None
        return int(row[0])

    def forget(self, schema: str) -> None:
        with self._lock:
            self._blocks = {key: block for key, block in self._blocks.items() if key[0] != schema}


SETTINGS = Settings()
COUNTERS = Counters()


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
    try:
        with pool().connection() as connection:
            store = Store(connection, schema)
            yield store
    finally:
        # A setting written and rolled back, or read before another's commit, must not stay in memory.
        this = threading.get_ident()
        if this in _written:
            _written.discard(this)
            SETTINGS.forget(schema)
        # Only now: whoever takes a number meanwhile waits for this transaction's row, and holds the counters' lock.
        if this in _cleared:
            _cleared.discard(this)
            COUNTERS.forget(schema)
    for act in store.afterwards:
        act()
