"""Invoices into journals: in batches through the engine and one at a time, beside raw inserts of the same rows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, transaction

from ledger import journal
from q2c import clock, keys
from q2c.engine import run
from q2c.models import Step
from q2c.stages import booking
from tests.bench import books, raw
from tests.bench.measure import Comparison

BATCH, BATCHES, ONES = 500, 8, 200
WORKERS = 2


@contextmanager
def comparisons(size: int) -> Iterator[list[Comparison]]:
    books.found()
    with raw.copy_of("ledger_journalentry", "ledger_journalline") as names:
        with raw.connect() as owner:
            owner.execute(raw.BALANCED.format(lines=names["ledger_journalline"]))
            template = _template(owner)
        with Workers() as workers:
            yield [
                Comparison(
                    "invoices recorded, booked, numbered, frozen: batches of 500", "journals/s",
                    workers.record, lambda: raw.in_threads(WORKERS, lambda c, n: _batches(c, names, template)),
                    "unnest and a statement trigger writing the same journal rows, 2 connections", 0.50,
                ),
                Comparison(
                    "one journal at a time", "journals/s", _one_by_one, lambda: _raw_ones(names, template),
                    "two statements and a statement trigger, 1 connection", 0.50,
                ),
            ]  # fmt: skip


class Workers:
    """Two processes, as workers of the finance queue are, told when to begin by a line on their input."""

    def __enter__(self) -> Workers:
        env = {**os.environ, "Q2C_BATCH_SIZE": str(BATCH)}
        command = [sys.executable, "-m", "tests.bench.drain", "record_invoice"]
        self.processes = [
            subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(WORKERS)
        ]
        for process in self.processes:
            assert process.stdout is not None
            process.stdout.readline()
        self._stock(3)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.terminate()
            process.wait()

    def _stock(self, rounds: int) -> None:
        """Invoices for some rounds are taken in before anything is timed."""
        self.waiting = [books.invoices(BATCH * BATCHES) for _ in range(rounds)]
        _keep_back(stage="record_invoice", state="waiting")

    def record(self) -> tuple[int, float]:
        if not self.waiting:
            self._stock(2)
        ids = self.waiting.pop()
        Step.objects.filter(event_id__in=ids, stage="record_invoice").update(next_at=clock.now())
        began = time.perf_counter()
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        done = 0
        for process in self.processes:
            assert process.stdout is not None
            done += int(process.stdout.readline())
        assert done == len(ids), f"{done} of {len(ids)} recorded"
        took_s = time.perf_counter() - began
        return done, took_s


def _keep_back(**which: Any) -> None:
    """Not due today: a measurement takes up only its own."""
    Step.objects.filter(**which).update(next_at=clock.now() + clock.days(1))


def _one_by_one() -> tuple[int, float]:
    ids = books.invoices(ONES)
    facts = booking.facts_of_events(ids)
    _keep_back(event_id__in=ids)
    began = time.perf_counter()
    for event_id in ids:
        with transaction.atomic():
            (result,) = journal.post_ready([facts[event_id]])
        assert result.outcome == "created", result
    return ONES, time.perf_counter() - began


def _template(owner: psycopg.Connection[Any]) -> dict[str, Any]:
    """One booked entry with its lines, of which the baseline writes copies."""
    ids = books.invoices(1)
    run.drain("record_invoice")
    connection.close()
    entry = owner.execute("SELECT * FROM ledger_journalentry WHERE event_id = %s", ids).fetchone()
    columns = [c.name for c in owner.execute("SELECT * FROM ledger_journalentry LIMIT 0").description or ()]
    lines = owner.execute(
        "SELECT * FROM ledger_journalline WHERE entry_id = (SELECT id FROM ledger_journalentry WHERE event_id = %s) ORDER BY line",
        ids,
    ).fetchall()
    line_columns = [c.name for c in owner.execute("SELECT * FROM ledger_journalline LIMIT 0").description or ()]
    kinds = {
        table: dict(owner.execute(
            "SELECT column_name, CASE WHEN data_type = 'ARRAY' THEN udt_name ELSE data_type END "
            "FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position", [table]).fetchall())
        for table in ("ledger_journalentry", "ledger_journalline")
    }  # fmt: skip
    assert entry is not None
    return {
        "entry": dict(zip(columns, entry, strict=True)),
        "lines": [dict(zip(line_columns, line, strict=True)) for line in lines],
        "kinds": kinds,
    }


def _copies(template: dict[str, Any], count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    entries, lines = [], []
    for _ in range(count):
        id_ = keys.new_id()
        mark = str(uuid.uuid4())
        entries.append(
            {**template["entry"], "id": id_, "event_id": uuid.uuid4(), "number": mark[:16], "key": mark[:20]}
        )
        lines += [{**_plain(line), "id": next(_line_ids), "entry_id": id_} for line in template["lines"]]
    return entries, lines


_line_ids = iter(range(10**12, 10**13))


def _plain(line: dict[str, Any]) -> dict[str, Any]:
    from psycopg.types.json import Jsonb

    return {name: Jsonb(value) if isinstance(value, dict) else value for name, value in line.items()}


def _write(c: psycopg.Connection[Any], names: dict[str, str], template: dict[str, Any], count: int) -> None:
    entries, lines = _copies(template, count)
    with c.transaction():
        raw.inserted(c, names["ledger_journalentry"], entries, template["kinds"]["ledger_journalentry"])
        raw.inserted(c, names["ledger_journalline"], lines, template["kinds"]["ledger_journalline"])


def _batches(c: psycopg.Connection[Any], names: dict[str, str], template: dict[str, Any]) -> int:
    for _ in range(BATCHES // WORKERS):
        _write(c, names, template, BATCH)
    return BATCH * BATCHES // WORKERS


def _raw_ones(names: dict[str, str], template: dict[str, Any]) -> int:
    with raw.connect() as c:
        for _ in range(ONES):
            _write(c, names, template, 1)
    return ONES
