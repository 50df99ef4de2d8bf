"""What can break, each as one act; and a seeded schedule of them."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import redis
import requests

from q2c.faults import within
from q2c.local.processes import BEAT, QUEUES
from q2c.local.room import Room
from q2c.points import POINTS

# Longer than a lease of these runs: what stands still so long finds another at its work.
LEASE_S = 30
STANDS_S = (0.5, 0.5, 3.0, 3.0, 3.0, 34.0)
JUMPS_S = (-90, -5, 5, 90)
PLATFORMS = ("salesforce", "zuora", "netsuite", "avatax", "credit")
# Of these alone, one call of ours asks several things.
BATCHED = ("avatax",)
# (switch, value): value in the switch's own unit. A late commit and a lag of the search stay together within what a
# platform may take, also on a slow machine.
SWITCHES = (
    ("latency", 400), ("too_many", 1), ("unavailable", 0), ("drop_before", 0), ("drop_after", 0), ("late_commit", 5),
    ("token_expired", 0), ("business_failure", 0), ("search_lag", 2), ("partial_failure", 0),
)  # fmt: skip
UNCERTAIN = ("drop_after", "late_commit", "search_lag")
WRITES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """Planned for `at_s` after the beginning. `kind` is a method of Strikes, `what` its argument."""

    at_s: float
    kind: str
    what: str


def planned(seed: int, seconds: float, a_minute: float, kinds: Sequence[str] = ()) -> list[Fault]:
    """The same for the same arguments. Every point is struck once before any other fault is drawn, where `kinds`
    has points; without `kinds` all are drawn.
    """
    chance = random.Random(f"faults {seed}")  # noqa: S311
    gap_s = 60 / a_minute
    at_s, found = 0.0, []
    drawn_of = {name: row for name, row in KINDS.items() if not kinds or name in kinds}
    first = [(point, "kill") for point in POINTS if "point" in drawn_of]
    chance.shuffle(first)
    while at_s < seconds:
        kind = "point" if first else chance.choices(list(drawn_of), [weight for weight, _ in drawn_of.values()])[0]
        point, what = first.pop() if first else ("", "")
        drawn = f"{point} {what}" if point else KINDS[kind][1](chance)
        found.append(Fault(round(at_s, 2), kind, drawn))
        at_s += chance.uniform(0.4, 1.6) * gap_s
    return found


def _point(chance: random.Random) -> str:
    verb = chance.choices(("kill", "stop", "stand", "jump"), (5, 2, 3, 1))[0]
    seconds = {"kill": 0, "jump": chance.choice(JUMPS_S)}.get(verb, chance.choice(STANDS_S))
    return f"{chance.choice(list(POINTS))} {verb} {seconds}"


def _switch(chance: random.Random) -> str:
    """The ledger more often than others, and what leaves it open whether something was done."""
    (name, value), *_ = chance.choices(SWITCHES, [3 if name in UNCERTAIN else 1 for name, _ in SWITCHES])
    platforms = BATCHED if name == "partial_failure" else PLATFORMS
    vendor, *_ = chance.choices(platforms, [4 if vendor == "netsuite" else 1 for vendor in platforms])
    # What posts journals is met among many calls that read.
    operation = "create_journal" if vendor == "netsuite" and chance.random() < 0.6 else "-"
    return f"{vendor} {name} {value} {chance.choice((1, 2, 5))} {operation}"


def _process(chance: random.Random) -> str:
    return chance.choice(("web", *QUEUES, "beat"))


def _nothing(_: random.Random) -> str:
    return ""


# kind → (weight, what draws its argument)
KINDS: dict[str, tuple[int, Callable[[random.Random], str]]] = {
    "point": (40, _point),
    "switch": (20, _switch),
    "kill": (8, _process),
    "stop": (5, lambda chance: f"{_process(chance)} {chance.choice(STANDS_S)}"),
    "sessions": (4, _nothing),
    "locked": (3, lambda chance: chance.choice(("q2c_step", "ledger_journalentry", "exceptions_case", "q2c_event"))),
    "serializable": (2, _nothing),
    "disk": (2, _nothing),
    "postgres_killed": (1, _nothing),
    "wiped": (3, _nothing),
    "valkey_killed": (2, _nothing),
    "valkey_stopped": (2, _nothing),
    "sandboxes_killed": (2, _nothing),
    "two_beats": (2, _nothing),
    "deployed": (1, _nothing),
}


class Strikes:
    """Does faults to a room, from its main thread. `done` counts what was struck, by kind."""

    def __init__(self, room: Room, folder: Path) -> None:
        self.room, self.folder = room, folder
        self.done: Counter[str] = Counter()
        # What ends by itself: (when, how).
        self._later: list[tuple[float, Callable[[], object]]] = []
        postgres, valkey = room.servers.postgres, room.servers.valkey
        assert postgres is not None
        assert valkey is not None
        self.postgres, self.valkey = postgres, valkey
        self.sandboxes = room.servers.env["SANDBOX_URL"]

    def do(self, fault: Fault) -> None:
        """Whatever is away already cannot be struck: that is no failure of the run."""
        with contextlib.suppress(OSError, psycopg.Error, redis.RedisError, requests.RequestException, KeyError):
            getattr(self, fault.kind)(*fault.what.split())
            self.done[f"{fault.kind} {fault.what.split()[0]}" if fault.kind == "kill" else fault.kind] += 1

    def tick(self) -> None:
        now = time.monotonic()
        for row in [row for row in self._later if row[0] <= now]:
            self._later.remove(row)
            with contextlib.suppress(OSError, psycopg.Error):
                row[1]()

    def end(self) -> None:
        """All that is still bent is straight again, and nothing is armed any more."""
        for _, undo in self._later:
            with contextlib.suppress(OSError, psycopg.Error):
                undo()
        self._later.clear()
        for armed in (self.folder / "armed").iterdir():
            armed.unlink(missing_ok=True)
        # Whose clock has jumped gets the right time back: it starts again.
        for file in (self.folder / "struck").iterdir():
            if file.read_text().startswith("jump"):
                with contextlib.suppress(OSError):
                    os.kill(int(file.name.split(".")[1]), signal.SIGTERM)

    def struck(self) -> Counter[str]:
        """Strikes at points by point and verb, as the processes left them behind."""
        found: Counter[str] = Counter()
        for file in (self.folder / "struck").iterdir():
            found[f"{file.name.partition('.')[0]} {file.read_text().split()[0]}"] += 1
        return found

    # Processes -----------------------------------------------------------------------------------------------------

    def point(self, point: str, verb: str, seconds: str = "0") -> None:
        within.arm(self.folder, point, f"{verb} {seconds}")

    def kill(self, name: str) -> None:
        os.killpg(self._pid(name), signal.SIGKILL)

    def stop(self, name: str, seconds: str) -> None:
        pid = self._pid(name)
        os.killpg(pid, signal.SIGSTOP)
        self._in(float(seconds), lambda: os.killpg(pid, signal.SIGCONT))

    def two_beats(self) -> None:
        if "beat-too" in self.room.supervisor.children():
            return
        command = BEAT.command.replace("beat-schedule", "beat-schedule-too")
        process = replace(BEAT, name="beat-too", command=f"{self.room.within} {command}")
        self.room.supervisor.start(process, folder=self.room.where)

    def deployed(self) -> None:
        """A table grows by what the next version wants, while the old one works; then each process is asked to end."""
        with self._owner() as db:
            db.execute("SET lock_timeout = '2s'")
            db.execute("ALTER TABLE q2c_step ADD COLUMN IF NOT EXISTS of_the_next_version int")
        for name in ("web", *QUEUES, "beat"):
            with contextlib.suppress(OSError, KeyError):
                os.kill(self._pid(name), signal.SIGTERM)

    def _pid(self, name: str) -> int:
        return self.room.supervisor.children()[name].pid

    def _in(self, seconds: float, act: Callable[[], object]) -> None:
        self._later.append((time.monotonic() + seconds, act))

    # Servers -------------------------------------------------------------------------------------------------------

    def wiped(self) -> None:
        redis.Redis.from_url(self.room.servers.env["REDIS_URL"]).flushall()

    def valkey_killed(self) -> None:
        os.kill(self._pid("valkey"), signal.SIGKILL)

    def valkey_stopped(self) -> None:
        self.stop("valkey", "4")

    def sandboxes_killed(self) -> None:
        os.killpg(self._pid("sandboxes"), signal.SIGKILL)

    def postgres_killed(self) -> None:
        """The postmaster; its processes see that it is gone and end."""
        os.kill(self._pid("postgres"), signal.SIGKILL)

    def sessions(self) -> None:
        """Every session of the application ends, in the middle of whatever it does."""
        with self._superuser() as db:
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'q2c'")

    def locked(self, table: str) -> None:
        """A table is out of reach for three seconds, and who waits for it is sent away after one."""
        with self._superuser() as db:
            db.execute("ALTER ROLE q2c SET lock_timeout = '1s'")
        db = self._superuser("q2c", autocommit=False)
        db.execute("SET lock_timeout = '1s'")
        db.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")  # type: ignore[arg-type]
        self._in(3, db.close)
        self._in(6, self._patient)
        with self._superuser() as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'q2c' AND random() < 0.5"
            )

    def _patient(self) -> None:
        self._role("RESET lock_timeout")
        self.sessions()

    def serializable(self) -> None:
        """New sessions are serializable for a while: what is written without saying its own isolation is refused."""
        self._role("SET default_transaction_isolation = 'serializable'")
        self._in(5, self._not_serializable)
        self.sessions()

    def _not_serializable(self) -> None:
        """A session keeps what it began with, so those go."""
        self._role("RESET default_transaction_isolation")
        self.sessions()

    def disk(self) -> None:
        """No file may grow for a second: writes fail as on a full disk."""
        with self._superuser() as db:
            rows = db.execute("SELECT pid FROM pg_stat_activity WHERE usename = 'q2c'").fetchall()
        pids = [pid for (pid,) in rows]
        for pid in pids:
            with contextlib.suppress(OSError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (WRITES_MAX, resource.RLIM_INFINITY))
        self._in(1.5, lambda: self._unlimited(pids))

    @staticmethod
    def _unlimited(pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(OSError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def _role(self, what: str) -> None:
        with self._superuser() as db:
            db.execute(f"ALTER ROLE q2c {what}")  # type: ignore[arg-type]

    def _superuser(self, database: str = "postgres", autocommit: bool = True) -> psycopg.Connection[tuple[int, ...]]:
        url = f"{self.postgres.url('superuser').rpartition('/')[0]}/{database}"
        return psycopg.connect(url, autocommit=autocommit, connect_timeout=3)

    @contextlib.contextmanager
    def _owner(self) -> Iterator[psycopg.Connection[tuple[int, ...]]]:
        with psycopg.connect(self.postgres.url("owner"), autocommit=True, connect_timeout=3) as db:
            yield db

    # Platforms -----------------------------------------------------------------------------------------------------

    def switch(self, vendor: str, name: str, value: str, times: str, operation: str) -> None:
        document = {
            "name": name,
            "operation": operation.strip("-"),
            "value": float(value),
            "times": int(times),
            "for_s": 10,
        }
        requests.post(f"{self.sandboxes}/{vendor}/_control/faults", json=document, timeout=5).raise_for_status()
