"""What a careful programmer would write with psycopg and nothing else: the baselines."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg


def connect() -> psycopg.Connection[Any]:
    return psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True)


def in_threads(count: int, act: Callable[[psycopg.Connection[Any], int], int]) -> int:
    """`act` on as many connections at once; the sum of what they did. A thread that fails fails all."""
    done: list[int] = []
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            with connect() as connection:
                done.append(act(connection, number))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return sum(done)


@contextmanager
def copy_of(*tables: str, foreign_keys: bool = False) -> Iterator[dict[str, str]]:
    """Empty tables with the columns, defaults, checks and indexes of these: {original: copy}."""
    names = {table: f"bench_{table}" for table in tables}
    with connect() as connection:
        for table, name in names.items():
            connection.execute(f"DROP TABLE IF EXISTS {name}")
            connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
    try:
        yield names
    finally:
        with connect() as connection:
            for name in names.values():
                connection.execute(f"DROP TABLE IF EXISTS {name}")


EVENTS = """
INSERT INTO {table} (id, type, schema_version, source, source_id, correlation_id, occurred_at, received_at, payload,
                     payload_hash)
SELECT u.id, 'OrderReceived', 1, 'bench', u.source_id, u.id, now(), now(), u.payload::json, u.hash
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::bytea[]) AS u(id, source_id, payload, hash)
ON CONFLICT (source, source_id) DO NOTHING
"""

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


def inserted(
    connection: psycopg.Connection[Any], table: str, rows: Sequence[dict[str, Any]], kinds: dict[str, str]
) -> None:
    """Rows as arrays, one statement."""
    columns = list(kinds)
    marks = ", ".join(f"%s::{kind}[]" for kind in kinds.values())
    values = [[row[column] for row in rows] for column in columns]
    names = ", ".join(columns)
    connection.execute(f"INSERT INTO {table} ({names}) SELECT * FROM unnest({marks}) AS u({names})", values)
