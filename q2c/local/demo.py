"""bin/demo: the whole control room on this machine, from nothing to an address in the browser."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from q2c.local import accounts, filelock, places, ports, venv
from q2c.local.dataset import Dataset
from q2c.local.filelock import FileLock
from q2c.local.guard import Guard
from q2c.local.processes import BEAT, WEB, WORKERS
from q2c.local.progress import Progress
from q2c.local.sandboxes import status
from q2c.local.servers import Servers
from q2c.local.stop import Stop
from q2c.local.supervisor import Supervisor
from q2c.local.venv import RUNTIME, Venv

USAGE = "bin/demo [--port N] [--fresh] [--scale N] [--no-load]    starts the control room here"
WHERE = places.LOCAL / "demo"
READY_S_MAX = 90
# The guard of a start that was killed may take this long to end what it left.
_LOCK_WAIT_S = 20


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    places.folder(WHERE)
    with filelock.held(
        WHERE.with_name("demo.lock"), _LOCK_WAIT_S, _already_runs, lambda: print("Waiting for the last start to end …")
    ) as lock:
        Demo(options, lock).run()
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("bin/demo", description="Starts the control room on this machine.")
    parser.add_argument("--port", type=int, help="the web port; without it 8000, or the next free one")
    parser.add_argument("--fresh", action="store_true", help="removes the data of the last start and loads them anew")
    parser.add_argument("--scale", type=int, metavar="N", help="N times the example data")
    parser.add_argument("--no-load", action="store_true", help="starts without example data")
    return parser.parse_args(arguments)


def _already_runs(note: dict[str, Any]) -> Stop | None:
    pid = note.get("pid")
    if note.get("stopping") or not isinstance(pid, int) or not _exists(pid):
        # The guard still cleans up after it: to be waited for.
        return None
    where = f" at {note['url']}" if note.get("url") else ""
    return Stop(f"The demo already runs{where} (process {pid})", f"Use it, or stop it first: kill {pid}")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Demo:
    """One start, in the order of run()."""

    def __init__(self, options: argparse.Namespace, lock: FileLock) -> None:
        self.options, self.lock = options, lock
        self.progress = Progress()
        self.guard = Guard(keep=(lock.fd,))
        self.servers = Servers(WHERE, places.LOGS, guard=self.guard)
        given = os.environ.get("DATABASE_URL", "")
        # Without the password: a new one leads to the same data.
        self.dataset = Dataset(WHERE, places.short_hash(re.sub(r":[^:@/]*@", "@", given)) if given else "own")
        self.supervisor: Supervisor | None = None
        self.url = ""

    def run(self) -> None:
        try:
            self._clear()
            self._prepare()
            self._load()
            self._processes()
            self._welcome()
            self._watch()
        except KeyboardInterrupt:
            self.progress.line()
        finally:
            self._end()

    def _clear(self) -> None:
        """Removes what --fresh or an interrupted load asks for; Stop when the stored data do not fit."""
        interrupted = self.dataset.load_was_interrupted()
        if self.options.fresh and self.dataset.identity != "own":
            raise Stop("--fresh would empty the database of DATABASE_URL", "Empty it yourself, then start without it")
        if interrupted and not self.options.no_load and self.dataset.identity != "own":
            raise Stop("The last load into the database of DATABASE_URL did not finish", "Empty it, then start again")
        if self.options.fresh or (interrupted and not self.options.no_load):
            if interrupted and not self.options.fresh:
                self.progress.line("The last load did not finish; starting over.")
            for path in [*WHERE.iterdir(), Path("/var/tmp") / f"q2c-{accounts.outside_name(WHERE)}"]:  # noqa: S108
                places.remove(path)
            self.servers = Servers(WHERE, places.LOGS, guard=self.guard)
        elif not self.options.no_load:
            self.dataset.must_fit()

    def _prepare(self) -> None:
        with self.progress.step("Python packages") as step:
            step.detail = Venv((RUNTIME,)).make(step)
        with self.progress.step("Servers") as step:
            self.servers.start()
            step.detail = self.servers.described()
        if self.servers.postgres and self.servers.postgres.moved:
            self.progress.line(f"    The data lie in {self.servers.postgres.data}: the account that PostgreSQL")
            self.progress.line(f"    runs under may not pass through to {WHERE}.")
        self._choose_port()
        if not self.dataset.is_migrated():
            with self.progress.step("Tables"):
                self._manage("migrate", "--no-input")
                self.dataset.migrated()

    def _choose_port(self) -> None:
        port = ports.web_port(self.options.port, self.servers.ports.get("web"))
        self.servers.ports.keep("web", port)
        self.url = f"http://{ports.HOST}:{port}"
        self.lock.say({"pid": os.getpid(), "url": self.url})

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "Q2C_PUBLIC_URL": self.url,
            **self.servers.env,
            # load_demo leaves demo.json there: the users and what to try first.
            "Q2C_DEMO_FOLDER": str(WHERE),
            "PYTHONUNBUFFERED": "1",
        }

    def _load(self) -> None:
        begun = self.servers.begin_sandboxes()
        self.supervisor = Supervisor(self.guard, self._environment(), places.LOGS, self._say)
        wanted = not self.options.no_load and not self.dataset.is_loaded()
        if begun and wanted:
            with self.progress.step("Sandboxes of the connected systems"):
                self.servers.sandboxes_wait()
        if wanted:
            self.dataset.load_begins()
            scale = ["--scale", str(self.options.scale)] if self.options.scale else []
            with self.progress.step("Example data"):
                self._manage("load_demo", *scale, show=True)
            self.dataset.load_ended()

    def _manage(self, command: str, *arguments: str, show: bool = False) -> None:
        """Runs manage.py to its end; `show` prints its lines as they come. Stop with its last words when it fails."""
        log = places.log_file(places.LOGS, command)
        last = ""
        with log.open("a") as file:
            child = subprocess.Popen(
                [venv.python(), "manage.py", command, *arguments], cwd=places.ROOT, env=self._environment(),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                start_new_session=True,
            )  # fmt: skip
            self.guard.started(child.pid, signal.SIGTERM)
            try:
                assert child.stdout is not None
                for line in child.stdout:
                    file.write(line)
                    last = line.strip() or last
                    if show:
                        self.progress.line(f"    {line.rstrip()}")
                child.wait()
            finally:
                child.kill()
                child.wait()
                self.guard.ended(child.pid)
        if child.returncode:
            raise Stop(f"manage.py {command} failed: {last[:300]}", f"Look into {log}")

    def _processes(self) -> None:
        """The web process first: its start is what a person waits for."""
        assert self.supervisor is not None
        with self.progress.step("Web, workers and schedule") as step:
            filled = {"host": ports.HOST, "web_port": self.servers.ports.get("web"), "folder": WHERE}
            self.supervisor.start(WEB, **filled)
            for name, server in self.servers.own():
                self.supervisor.keep(name, server)
            self._until(lambda: status(f"{self.url}/healthz") > 0, step.doing)
            for process in (*WORKERS, BEAT):
                self.supervisor.start(process, **filled)
            self._until(lambda: status(f"{self.url}/readyz") == 200, step.doing)

    def _until(self, done: Any, doing: Any) -> None:
        assert self.supervisor is not None
        began = time.monotonic()
        while not done():
            waited_s = time.monotonic() - began
            if waited_s > READY_S_MAX:
                raise Stop(f"{self.url} is not ready after {READY_S_MAX} s", f"Look into the logs in {places.LOGS}")
            doing(f"waiting for {self.url} ({waited_s:.0f} s)")
            self.supervisor.tick()
            time.sleep(0.1)

    def _welcome(self) -> None:
        line = self.progress.line
        line(f"\nReady after {self.progress.elapsed_s():.0f} s: {self.url}\n")
        demo = places.read_json(WHERE / "demo.json")
        users = [[str(user.get(key, "")) for key in ("name", "role", "password")] for user in demo.get("users", [])]
        if users:
            widths = [max(len(row[column]) for row in [*users, ["Sign in as", "", ""]]) + 2 for column in (0, 1)]
            line(f"  {'Sign in as':<{widths[0]}}{'':<{widths[1]}}password")
            for name, role, password in users:
                line(f"  {name:<{widths[0]}}{role:<{widths[1]}}{password}")
            line()
        for number, what in enumerate(demo.get("try", []), 1):
            line(f"  {number}. {what}")
        line(f"\nCtrl-C stops it. Logs: {places.LOGS}")

    def _watch(self) -> None:
        assert self.supervisor is not None
        while True:
            self.supervisor.tick()
            time.sleep(0.2)

    def _say(self, text: str) -> None:
        self.progress.line(f"{time.strftime('%H:%M:%S')} {text}")

    def _end(self) -> None:
        """Ends all in order. Further signals are ignored: this takes ten seconds at most, then it kills."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.lock.say({"pid": os.getpid(), "stopping": True})
        began = time.monotonic()
        killed = self.supervisor.stop() if self.supervisor else []
        self.servers.stop()
        self.guard.close()
        if self.supervisor:
            hard = f" ({', '.join(killed)} had to be killed)" if killed else ""
            self.progress.line(f"Stopped after {time.monotonic() - began:.1f} s{hard}.")
