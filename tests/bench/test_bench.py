"""bin/bench measures what it says: every part runs, both sides do their work, and what they wrote is there.

Nothing here asks how fast: the run is tiny, on a machine that does other things.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from q2c.local import bench, room
from tests.bench.measure import Comparison, Figure, run, table
from tests.bench.sizes import TINY

_SERVERS = (
    "DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SANDBOX_URL", "SANDBOX_DATABASE_URL", "Q2C_AS_OWNER",
    "Q2C_SECRET_KEY", "DJANGO_SETTINGS_MODULE",
)  # fmt: skip
# One to warm up and one that counts.
RUNS = 2


@dataclass
class Measured:
    """A tiny run of all parts, and the room in which it wrote."""

    ended: subprocess.CompletedProcess[str]
    figures: dict[tuple[str, str], dict[str, Any]]
    control_room: room.Room

    def figure(self, name: str, against: str) -> dict[str, Any]:
        (found,) = (f for (n, a), f in self.figures.items() if n.startswith(name) and a.startswith(against))
        return found

    def asked(self, query: str) -> tuple[Any, ...]:
        with psycopg.connect(self.control_room.environment()["DATABASE_OWNER_URL"]) as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return row


@pytest.fixture(scope="module")
def measured(tmp_path_factory: Any) -> Iterator[Measured]:
    where = tmp_path_factory.mktemp("bench") / "room"
    where.parent.chmod(0o711)
    file = where.parent / "figures.json"
    with pytest.MonkeyPatch.context() as patch:
        for name in _SERVERS:
            patch.delenv(name, raising=False)
        with room.running(where, durable=False, remove=True, others=()) as control_room:
            ended = bench.measure(control_room, "--tiny", "--rounds", "1", "--json", str(file), captured=True)
            figures = json.loads(file.read_text())["figures"] if file.exists() else []
            yield Measured(ended, {(f["name"], f["against"]): f for f in figures}, control_room)


def test_every_part_runs_and_both_sides_are_measured(measured: Measured) -> None:
    assert measured.ended.returncode == 0, measured.ended.stdout + measured.ended.stderr
    for part in bench.PARTS:
        assert f"{part} …\n" in measured.ended.stdout
    assert len(measured.figures) == 14
    for figure in measured.figures.values():
        for side in ("ours", "baseline"):
            assert all(rate > 0 for rate in figure[side]), figure
            assert len(figure[side]) == 1, figure
            assert figure[f"{side}_did"] > 0, figure
        # Once as its part ends, once in the whole table.
        assert measured.ended.stdout.count(f"{figure['against']}  ") >= 2, figure


def test_the_sides_do_the_work_they_are_told_to(measured: Measured) -> None:
    batch, ones = TINY.invoices * TINY.batches, TINY.ones
    table_of = [
        ("intake over HTTP, NDJSON", "unnest", TINY.lines * TINY.requests, TINY.lines * TINY.requests),
        ("intake over HTTP, single", "psycopg", TINY.singles, TINY.singles),
        ("invoices recorded", "unnest", batch, batch),
        ("one journal at a time", "one CTE", ones, ones),
        ("one invoice at a time over HTTP", "one CTE", ones, ones),
        ("external steps, stub at 0 ms", "a Celery task", TINY.steps, TINY.tasks),
    ]
    for name, against, ours, baseline in table_of:
        figure = measured.figure(name, against)
        assert (figure["ours_did"], figure["baseline_did"]) == (ours, baseline), name


def test_the_books_hold_what_was_counted(measured: Measured) -> None:
    """In batches, one by one and over HTTP, and the one that the baseline copies."""
    entries = 1 + RUNS * (TINY.invoices * TINY.batches + 2 * TINY.ones)
    assert measured.asked("SELECT count(*), count(*) FILTER (WHERE state = 'ready') FROM ledger_journalentry") == (
        entries,
        entries,
    )
    assert measured.asked("SELECT sum(last_number) FROM ledger_journalseries") == (entries,)
    lines, expected, off = measured.asked(
        "SELECT count(*), (SELECT sum(line_count) FROM ledger_journalentry), sum(amount_minor) FROM ledger_journalline"
    )
    assert (lines, off) == (expected, 0)
    assert lines > entries
    # Those booked in process have none.
    assert measured.asked("SELECT count(*) FROM q2c_invoice") == (entries - RUNS * TINY.ones,)
    # Everything was good: no case but those of the generated database for reading.
    assert measured.asked("SELECT count(*) FROM q2c_step WHERE state = 'failed' AND stage = 'record_invoice'") == (0,)


def test_events_are_in_as_often_as_they_were_sent(measured: Measured) -> None:
    """Two rows of the table each, for ours; DRF writes into the same table."""
    ours = 2 * RUNS * (TINY.lines * TINY.requests + TINY.singles)
    drf = RUNS * (TINY.lines * TINY.requests // 4 + TINY.singles // 4)
    sent = "SELECT count(*) FROM q2c_event WHERE type = 'OrderReceived' AND payload->>'customer' = 'C-1000'"
    assert measured.asked(sent) == (ours + drf,)


def test_what_breaks_is_told_with_its_part_and_hides_no_other(measured: Measured) -> None:
    ended = bench.measure(
        measured.control_room, "--tiny", "--rounds", "1", "--only", "intake", "trace",
        captured=True, Q2C_BENCH_URL="http://127.0.0.1:1",
    )  # fmt: skip
    assert ended.returncode == 1
    assert "intake failed: RuntimeError: /api/v1/events at 127.0.0.1:1: ConnectionRefusedError" in ended.stderr
    assert "whole trace among" in ended.stdout
    assert "intake over HTTP, single, 8 clients  " not in ended.stdout


def test_rows_before_the_one_that_breaks_are_kept() -> None:
    def broken() -> int:
        raise RuntimeError("no")

    good = Comparison("good", "rows/s", lambda: (4, 2.0), lambda: (4, 1.0), "nothing", 0.5)
    bad = Comparison("bad", "rows/s", broken, lambda: 1, "nothing", 0.5)
    kept: list[Figure] = []
    measuring = run([good, bad], 3, lambda _: None)
    kept.append(next(measuring))
    assert (kept[0].ratio, kept[0].met, kept[0].ours) == (0.5, True, [2.0, 2.0, 2.0])
    assert "good" in table(kept)
    with pytest.raises(RuntimeError, match="no"):
        next(measuring)


def test_a_wrong_name_is_refused_before_anything_starts(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--only", "ledger"])
    assert "invalid choice: 'ledger'" in capsys.readouterr().err


def test_the_parts_are_files() -> None:
    assert all((Path(__file__).parent / f"{part}.py").exists() for part in bench.PARTS)
