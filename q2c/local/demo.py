"""bin/demo: the whole control room on this machine, from nothing to an address in the browser."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import time
from typing import Any

from q2c.local import accounts, children, erp, filelock, places, sandboxes
from q2c.local.dataset import Dataset
from q2c.local.filelock import FileLock
from q2c.local.progress import Progress
from q2c.local.room import Room
from q2c.local.servers import LOCK_WAIT_S
from q2c.local.stop import Stop
from q2c.local.tryton import Tryton
from q2c.local.venv import RUNTIME, Venv

USAGE = "bin/demo [--port N] [--fresh] [--scale N] [--no-load] [--erp tryton]    starts the control room here"
WHERE = places.LOCAL / "demo"
LOCK = WHERE.with_name("demo.lock")
# What leads bin/manage to our servers.
ENV = WHERE / "env.json"


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    places.folder(WHERE)
    with filelock.held(LOCK, LOCK_WAIT_S, already_runs, lambda: print("Waiting for the last start to end …")) as lock:
        Demo(options, lock).run()
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("bin/demo", description="Starts the control room on this machine.")
    parser.add_argument("--port", type=int, help="the web port; without it 8000, or the next free one")
    parser.add_argument("--fresh", action="store_true", help="removes the data of the last start and loads them anew")
    parser.add_argument("--scale", type=_times, metavar="N", help="N times the example data; a whole number from 1")
    parser.add_argument("--no-load", action="store_true", help="starts without example data")
    parser.add_argument("--erp", choices=["tryton"], help="the German company keeps its books in a real one")
    return parser.parse_args(arguments)


def _times(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 6 or int(text) < 1:
        raise Stop(f"--scale {text} is no number of times", "Give a whole number from 1, such as --scale 2")
    return int(text)


def already_runs(note: dict[str, Any]) -> Stop | None:
    pid = note.get("pid")
    if note.get("stopping") or not isinstance(pid, int) or not children.exists(pid):
        # The guard still cleans up after it: to be waited for.
        return None
    where = f" at {note['url']}" if note.get("url") else ""
    return Stop(f"The demo already runs{where} (process {pid})", f"Use it, or stop it first: kill {pid}")


class Demo:
    """One start, in the order of run()."""

    def __init__(self, options: argparse.Namespace, lock: FileLock) -> None:
        self.options, self.lock = options, lock
        self.progress = Progress()
        given = os.environ.get("DATABASE_URL", "")
        # Without the password: a new one leads to the same data.
        self.dataset = Dataset(WHERE, places.short_hash(re.sub(r":[^:@/]*@", "@", given)) if given else "own")
        self._own = self.dataset.identity == "own"
        self.room: Room | None = None
        self.erp: Tryton | None = None
        self.ready = False

    def run(self) -> None:
        try:
            self._clear()
            self.room = Room(WHERE, places.LOGS, keep=(self.lock.fd,), say=self._say)
            self._prepare(self.room)
            self._erp(self.room)
            self._load(self.room)
            with self.progress.step("Web, workers and schedule") as step:
                self.room.start_processes(doing=step.doing)
            if self.erp is not None:
                self.room.supervisor.keep("tryton", self.erp)
            self.ready = True
            self._welcome(self.room)
            self._watch(self.room)
        except KeyboardInterrupt:
            self.progress.line()
            if not self.ready:
                raise
        finally:
            self._end()

    def _clear(self) -> None:
        """Removes what --fresh or an interrupted load asks for; Stop when the stored data do not fit."""
        if not self._own:
            if self.options.fresh:
                remedy = "Empty it yourself, then start without it"
                raise Stop("--fresh would empty the database of DATABASE_URL", remedy)
            # What it holds is asked of itself, once it answers.
            return
        if self.options.no_load and not self.options.fresh:
            # What somebody enters from now on is no rest of a load.
            self.dataset.is_somebodys()
            return
        interrupted = self.dataset.load_was_interrupted()
        if self.options.fresh or interrupted:
            if not self.options.fresh:
                self.progress.line("The last load did not finish; starting over.")
            for path in (WHERE, places.outside_path(accounts.outside_name(WHERE))):
                places.discard(path)
            places.folder(WHERE)
        else:
            self.dataset.must_fit()
            if self.options.scale and self.dataset.is_loaded():
                self.progress.line("--scale counts when data are loaded, and they are; to load anew: --fresh.")

    def _prepare(self, room: Room) -> None:
        with self.progress.step("Python packages") as step:
            step.detail = Venv((RUNTIME,)).make(step)
        with self.progress.step("Servers") as step:
            room.start_servers(self.options.port)
            step.detail = room.servers.described()
        self.lock.say({"pid": os.getpid(), "url": room.url})
        # Servers that the environment names are not ours to write down with their passwords.
        given = set(os.environ.values())
        ours = {name: value for name, value in room.servers.env.items() if value not in given}
        places.write_json(ENV, {"Q2C_PUBLIC_URL": room.url, **ours}, mode=0o600)
        postgres = room.servers.postgres
        if postgres and postgres.moved:
            self.progress.line(f"    The data lie in {postgres.data}: the account that PostgreSQL")
            self.progress.line(f"    runs under may not pass through to {WHERE}.")
        # Others may have emptied theirs since the note was written.
        if not self._own or not self.dataset.is_migrated():
            with self.progress.step("Tables"):
                room.manage("migrate", "--no-input")
                self.dataset.migrated()

    def _erp(self, room: Room) -> None:
        """A real ERP beside the sandboxes, where one is asked for, or was when the data were loaded."""
        kept = WHERE / "tryton" / "made.json"
        if not self.options.erp and not kept.exists():
            return
        if self.options.erp and self.dataset.is_loaded() and not kept.exists():
            raise Stop("The data were loaded without a real ERP", "Load them anew: bin/demo --fresh --erp tryton")
        if room.servers.postgres is None:
            raise Stop("--erp makes databases, which DATABASE_URL may not allow", "Start it without DATABASE_URL")
        self.erp = erp.started(room.servers, room.guard, self.progress)
        if self.dataset.is_loaded():
            # The port may be another than last time.
            room.servers.sandboxes_wait()
            sandboxes.seed(room.servers.env["SANDBOX_URL"], "tryton", {"upstream": self.erp.url()})
        room.more = {
            "Q2C_DEMO_ERP": json.dumps({"erp": "tryton", "url": self.erp.url(), "key": self.erp.made()["key"]})
        }

    def _load(self, room: Room) -> None:
        if self.options.no_load or (self._own and self.dataset.is_loaded()):
            return
        if not self._holds_data(room):
            self.dataset.was_emptied()
        elif self._is_of_a_load():
            return
        with self.progress.step("Sandboxes of the connected systems"):
            room.servers.sandboxes_wait()
        self.dataset.load_begins()
        scale = ["--scale", str(self.options.scale)] if self.options.scale else []
        with self.progress.step("Example data"):
            room.manage("load_demo", *scale, heard=lambda line: self.progress.line(f"    {line}"))
        self.dataset.load_ended()

    def _holds_data(self, room: Room) -> bool:
        said: list[str] = []
        room.manage("load_demo", "--look", heard=said.append)
        return said[-1:] != ["empty"]

    def _is_of_a_load(self) -> bool:
        """Whether what it holds are the example data, whole and of this version. Stop otherwise: nothing is touched."""
        if self.dataset.load_was_interrupted():
            raise Stop("The last load into the database of DATABASE_URL did not finish", "Empty it, then start again")
        if not self.dataset.is_loaded():
            empty = "bin/demo --fresh removes it" if self._own else "or empty the database"
            raise Stop("The database holds data that are no example data", f"Keep them: bin/demo --no-load; {empty}")
        self.dataset.must_fit()
        return True

    def _welcome(self, room: Room) -> None:
        line = self.progress.line
        line(f"\nReady after {self.progress.elapsed_s():.0f} s: {room.url}\n")
        demo = places.read_json(WHERE / "demo.json")
        users = [[str(user.get(key, "")) for key in ("name", "role", "password")] for user in demo.get("users", [])]
        if users:
            rows = [["Sign in as", "", "password"], *users]
            widths = [max(len(row[column]) for row in rows) + 2 for column in (0, 1)]
            for name, role, password in rows:
                line(f"  {name:<{widths[0]}}{role:<{widths[1]}}{password}")
            line()
        for number, what in enumerate(demo.get("try", []), 1):
            line(f"  {number}. {what}")
        if self.erp is not None:
            person = self.erp.made()["person"]
            line(f"\n  The German company's books: {self.erp.url()}")
            line(f"  Sign in there with a Tryton client as {person['login']}, {person['password']}")
        line(f"\nCtrl-C stops it. Logs: {places.LOGS}")

    def _watch(self, room: Room) -> None:
        while True:
            room.supervisor.tick()
            time.sleep(0.2)

    def _say(self, text: str) -> None:
        self.progress.line(f"{time.strftime('%H:%M:%S')} {text}")

    def _end(self) -> None:
        """Ends all in order. Further signals are ignored: this takes ten seconds at most, then it kills."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if self.room is None:
            return
        self.lock.say({"pid": os.getpid(), "stopping": True})
        began = time.monotonic()
        if self.erp is not None:
            self.erp.stop()
        killed = self.room.stop()
        hard = f" ({', '.join(killed)} had to be killed)" if killed else ""
        self.progress.line(f"Stopped after {time.monotonic() - began:.1f} s{hard}.")
