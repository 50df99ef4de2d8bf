"""One run: the room, its traffic, the faults, the quiet afterwards, and what the checker finds."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from q2c.faults import bad, checker, strikes, within
from q2c.faults.post import PostRoom
from q2c.local import places, venv
from q2c.local.room import Room, running
from q2c.local.stop import Stop

FOUNDING_S_MAX = 600
# How long the flow may take to come to rest after the last fault; more where there is more to do.
REST_S = 240
# Faults begin when so many journals are posted, or after so long.
WARM_JOURNALS, WARM_S_MAX = 10, 120
_POSTED = "SELECT count(*) FROM ledger_journalentry WHERE state = 'posted'"
LIMITS = {"Q2C_LEASE_S": str(strikes.LEASE_S), "Q2C_LOG_LEVEL": "WARNING"}

# What still moves by itself: due, or soon; what is held behind a case, or waits for its day, does not.
_MOVES = """
SELECT count(*) FROM q2c_step s
WHERE s.state IN ('running', 'accepted', 'unknown')
   OR s.state = 'waiting' AND s.next_at < now() + interval '3 minutes' AND NOT EXISTS (
        SELECT FROM q2c_step e WHERE e.order_key = s.order_key AND e.order_key <> '' AND e.seq < s.seq
        AND e.state IN ('waiting', 'running', 'accepted', 'unknown', 'failed'))
"""


class Run:
    def __init__(self, options: argparse.Namespace, room: Room, post: PostRoom, say: Callable[[str], None]) -> None:
        self.options, self.room, self.post, self.say = options, room, post, say
        self.strikes = strikes.Strikes(room, Path(room.more[within.FOLDER]))
        self.said: list[dict[str, Any]] = []
        self.away: Counter[str] = Counter()
        self.founded, self.ended = threading.Event(), threading.Event()
        self.traffic: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Traffic is founded without any fault."""
        options = self.options
        given = ["--seed", options.seed, "--documents", options.documents, "--minutes", options.minutes]
        given += ["--url", self.room.url, "--post", self.post.url]
        log = places.log_file(self.room.logs, "traffic")
        self.traffic = subprocess.Popen(
            [str(venv.python()), "-m", "q2c.faults.traffic", *map(str, given)], cwd=places.ROOT, text=True,
            env=self.room.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log.open("a"),
        )  # fmt: skip
        threading.Thread(target=self._hear, daemon=True).start()
        self._until(self.founded.is_set, FOUNDING_S_MAX, "founding the company")

    def _hear(self) -> None:
        assert self.traffic is not None
        assert self.traffic.stdout is not None
        for line in self.traffic.stdout:
            document = json.loads(line)
            if document["did"] == "away":
                self.away[document["what"]] += 1
                continue
            self.said.append(document)
            if document["did"] in ("founding", "founded"):
                self.say(f"  {document.get('text') or 'the company stands'}")
            if document["did"] == "founded":
                self.founded.set()
        self.ended.set()

    def loosen(self) -> None:
        """The ledger keeps no key unique any more: nobody but us sees to it that nothing is there twice."""
        with psycopg.connect(self.room.servers.env["SANDBOX_DATABASE_URL"], autocommit=True) as db:
            db.execute("DROP INDEX sandbox_netsuite.record_external")
            # Under its name, so that a sandbox that starts again makes no other; of customers it stays.
            db.execute(
                "CREATE UNIQUE INDEX record_external ON sandbox_netsuite.record (kind, external_id) "
                "WHERE external_id IS NOT NULL AND kind <> 'journalEntry'"
            )

    def warm(self) -> None:
        """Until documents of every kind flow: before, most faults would strike nothing."""
        deadline = time.monotonic() + WARM_S_MAX
        while time.monotonic() < deadline and self._number(_POSTED) < WARM_JOURNALS:
            self._tick()
            time.sleep(0.2)

    def strike(self) -> None:
        """Every fault at its time."""
        seconds = self.options.minutes * 60
        plan = strikes.planned(self.options.seed, seconds, self.options.faults, self.options.kinds or ())
        self.room.supervisor.backoff_s = (0.3, 0.3, 1.0)
        began, told = time.monotonic(), 0.0
        while (passed := time.monotonic() - began) < seconds:
            while plan and plan[0].at_s <= passed:
                self.strikes.do(plan.pop(0))
            self._tick()
            if passed - told > 30:
                told = passed
                self.say(f"  {passed:4.0f} s: {sum(self.strikes.done.values())} faults, {self._counts()}")
        self.strikes.end()

    def rest(self) -> bool:
        """Nothing breaks any more; people repair what is in the way and replay, until nothing moves. Whether it did."""
        self.post.honest = True
        self._tell("heal")
        quiet_since = 0.0
        deadline = time.monotonic() + REST_S + self.options.documents / 20
        while time.monotonic() < deadline and not self.ended.is_set():
            self._tick()
            time.sleep(0.5)
            if self._moving():
                quiet_since = 0.0
            elif not quiet_since:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > 25:
                break
        rested = bool(quiet_since)
        self._tell("end")
        self._until(self.ended.is_set, 60, "the traffic's end")
        return rested

    def _moving(self) -> bool:
        return self._number(_MOVES) != 0

    def _number(self, statement: LiteralString) -> int:
        """-1 where nobody answers."""
        try:
            with psycopg.connect(self.room.servers.env["DATABASE_URL"], connect_timeout=3) as db:
                row = db.execute(statement).fetchone()
                return int(row[0]) if row else 0
        except psycopg.Error:
            return -1

    def _counts(self) -> str:
        try:
            with psycopg.connect(self.room.servers.env["DATABASE_URL"], connect_timeout=3) as db:
                row = db.execute(
                    "SELECT (SELECT count(*) FROM q2c_order), (SELECT count(*) FROM q2c_invoice), "
                    "(SELECT count(*) FROM ledger_journalentry WHERE state = 'posted'), "
                    "(SELECT count(*) FROM exceptions_case WHERE state IN ('open', 'reopened', 'in_progress'))"
                ).fetchone()
                assert row is not None
                return "{} orders, {} invoices, {} journals posted, {} cases open".format(*row)
        except psycopg.Error:
            return "the database is away"

    def _tell(self, word: str) -> None:
        assert self.traffic is not None
        assert self.traffic.stdin is not None
        try:
            self.traffic.stdin.write(f"{word}\n")
            self.traffic.stdin.flush()
        except OSError:
            self.say("  the traffic has ended by itself")

    def _tick(self) -> None:
        self.room.supervisor.tick()
        self.strikes.tick()
        time.sleep(0.02)

    def _until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            self._tick()
            if time.monotonic() > deadline or (self.ended.is_set() and not done()):
                raise Stop(f"{what} did not happen in time", f"Look into the logs in {self.room.logs}")

    def end(self) -> None:
        if self.traffic is not None:
            self.traffic.kill()
            self.traffic.wait()


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    where = places.LOCAL / "faults" if not options.folder else Path(options.folder)
    if where.exists() and any(where.iterdir()) and not (where / "points").is_dir():
        raise Stop(f"{where} holds something that is none of a run", "Name an empty folder, or one of an earlier run")
    places.remove(where)
    places.folder(where)
    folder = within.folder_of(where / "points")
    more = {**LIMITS, within.FOLDER: str(folder), within.BAD: options.bad or ""}
    began = time.monotonic()
    with (
        PostRoom(options.seed) as post,
        running(where / "room", say=lambda _: None, within=within.__name__, more=more) as room,
    ):
        post.to = room.url
        run = Run(options, room, post, _say)
        try:
            _say(f"Seed {options.seed}: {options.minutes:g} minutes, about {options.documents:,} documents")
            run.begin()
            if options.loose_keys:
                run.loosen()
            run.warm()
            run.strike()
            _say("No more faults. Waiting until nothing moves …")
            rested = run.rest()
        finally:
            run.end()
        answered: list[str] = next((row["answered"] for row in reversed(run.said) if row["did"] == "ended"), [])
        found = checker.check(
            room.servers.env["DATABASE_URL"], room.servers.env["SANDBOX_DATABASE_URL"], answered=answered
        )
        report = _report(options, run, found, rested, time.monotonic() - began)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=2, default=str))
    return 1 if found.wrong or not rested else 0


def _report(
    options: argparse.Namespace, run: Run, found: checker.Found, rested: bool, seconds: float
) -> dict[str, Any]:
    struck = run.strikes.struck()
    done = Counter({kind: number for kind, number in run.strikes.done.items() if kind != "point"})
    post = sum(run.post.counts[fate] for fate in ("lost", "doubled", "thrice", "late"))
    faults = sum(done.values()) + sum(struck.values()) + post
    _say(f"\n{faults:,} faults in {seconds:.0f} s, of them at named points {sum(struck.values()):,}:")
    for what, number in sorted((struck + done).items()):
        _say(f"  {what:<40}{number:>6}")
    _say(f"Webhooks: {dict(run.post.counts)}")
    _say(f"Documents: {found.counts}")
    if not rested:
        _say("It did not come to rest.")
    for one in found.wrong[:50]:
        _say(f"WRONG {one.kind}: {one.text}")
        if one.trace:
            _say(f"      trace: {one.trace}")
    command = f"bin/faults --seed {options.seed} --minutes {options.minutes:g} --documents {options.documents}"
    _say(f"\n{len(found.wrong)} wrong. The same again: {command}")
    return {
        "seed": options.seed, "minutes": options.minutes, "documents": options.documents, "faults": faults,
        "struck": struck, "done": done, "post": run.post.counts, "counts": found.counts, "rested": rested,
        "seconds": round(seconds), "wrong": [one.__dict__ for one in found.wrong],
    }  # fmt: skip


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("bin/faults", description="Breaks the whole system by a seeded schedule.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--documents", type=int, default=1000, help="about so many: deals, invoices, journals …")
    parser.add_argument("--faults", type=float, default=60.0, metavar="N", help="planned each minute (60)")
    parser.add_argument("--kinds", nargs="+", choices=strikes.KINDS, help="only such faults")
    parser.add_argument("--loose-keys", action="store_true", help="NetSuite does not keep external ids unique")
    parser.add_argument("--bad", choices=bad.VARIANTS, help="a known-bad engine, which has to be caught")
    parser.add_argument("--json", metavar="FILE", help="writes the report there, too")
    parser.add_argument("--folder", help="where it runs; without it .local/faults")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.chdir(places.ROOT)
    try:
        sys.exit(main(sys.argv[1:]))
    except Stop as stop:
        sys.exit(f"q2c: {stop}")
