"""What a careful programmer would write with psycopg and nothing else: the baselines."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

# One statement with its parameters, sent in binary form and committed by itself.
Statement = tuple[str, Sequence[Any]]


def connect() -> psycopg.Connection[Any]:
    return psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True)


class Crew:
    """Processes with a connection each (tests/bench/writer.py): Python's one lock slows nobody.

    They are started, connected and handed all their parameters before the clock runs; statements stay prepared from one
    run to the next. What is timed is sending, writing and committing.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> Crew:
        command = [sys.executable, "-m", "tests.bench.writer"]
        self.processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(self.count)
        ]
        for process in self.processes:
            _heard(process)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def run(self, statements: Sequence[Statement], connections: int) -> tuple[int, float]:
        """All of them, shared out; the rows written, and the seconds until the last one was committed."""
        working = self.processes[:connections]
        assert len(working) == connections
        for number, process in enumerate(working):
            _tell(process, statements[number::connections])
        for process in working:
            _heard(process)
        began = time.perf_counter()
        for process in working:
            _tell(process, "go")
        written = sum(_heard(process) for process in working)
        return written, time.perf_counter() - began


def _tell(process: subprocess.Popen[bytes], what: object) -> None:
    assert process.stdin is not None
    pickle.dump(what, process.stdin)
    process.stdin.flush()


def _heard(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    said = pickle.load(process.stdout)
    if isinstance(said, str):
        raise RuntimeError(f"the baseline failed: {said}")
    return int(said)


@contextmanager
def copy_of(*tables: str) -> Iterator[dict[str, str]]:
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


_COLUMNS = (
    "id, type, schema_version, source, source_id, correlation_id, occurred_at, received_at, payload, payload_hash"
)
EVENTS = f"""
INSERT INTO {{table}} ({_COLUMNS})
SELECT u.id, 'OrderReceived', 1, 'bench', u.source_id, u.id, now(), now(), u.payload::json, u.hash
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::bytea[]) AS u(id, source_id, payload, hash)
ON CONFLICT (source, source_id) DO NOTHING
"""
EVENT = f"""
INSERT INTO {{table}} ({_COLUMNS})
VALUES (%b, 'OrderReceived', 1, 'bench', %b, %b, now(), now(), %b::text::json, %b)
ON CONFLICT (source, source_id) DO NOTHING
"""
