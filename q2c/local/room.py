"""The control room as one thing: servers, web, workers and schedule in a folder, for the demo and whoever measures it.

with room.running(where, remove=True) as control_room:
    control_room.manage("load_bench", "--orders", "1000000")
    requests.get(control_room.url)
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from q2c.local import filelock, places, ports, venv
from q2c.local.guard import Guard
from q2c.local.processes import BEAT, WEB, WORKERS, Process
from q2c.local.sandboxes import status
from q2c.local.servers import LOCK_WAIT_S, Servers, forget
from q2c.local.stop import Stop
from q2c.local.supervisor import Supervisor

READY_S_MAX = 90
# A web process that ended this often does not need more patience.
WEB_FAILURES_MAX = 3


def _quiet(_: str) -> None:
    pass


class Room:
    """`say` gets a line when a process ended by itself. Nothing runs before the start_… are called."""

    def __init__(
        self, where: Path, logs: Path, *, keep: tuple[int, ...] = (), durable: bool = True,
        say: Callable[[str], None] = _quiet, given: Mapping[str, str] = os.environ,
    ) -> None:  # fmt: skip
        self.where, self.logs = where.absolute(), logs.absolute()
        self.guard = Guard(keep)
        self.servers = Servers(where, logs, guard=self.guard, durable=durable, given=given)
        self.supervisor = Supervisor(self.guard, {}, logs, say)
        self.url, self.instance = "", uuid.uuid4().hex
        # For its processes, beside what leads to the servers.
        self.more: dict[str, str] = {}
        # A module that web, workers and schedule run within, where somebody wants to reach into them.
        self.within = ""
        self._web: ports.Held | None = None

    def start_servers(self, port: int | None = None) -> None:
        """PostgreSQL, Valkey and, without waiting for them, the sandboxes. `port` is the web's; None: what fits."""
        self._web = ports.web_port(port, self.servers.ports.get("web"))
        self.servers.start()
        self.servers.ports.keep("web", self._web.port)
        self.servers.begin_sandboxes()
        self.url = f"http://{ports.HOST}:{self._web.port}"
        # Counters of processes that are gone: those of this start begin at nothing.
        places.remove(self.where / "metrics")
        places.folder(self.where / "metrics")
        self.supervisor.env = self.environment()

    def environment(self) -> dict[str, str]:
        """For any process of the room."""
        return {
            **os.environ,
            "Q2C_PUBLIC_URL": self.url,
            "Q2C_INSTANCE": self.instance,
            **self.servers.env,
            **self.more,
            # load_demo leaves demo.json there: the users and what to try first.
            "Q2C_DEMO_FOLDER": str(self.where),
            "PROMETHEUS_MULTIPROC_DIR": str(self.where / "metrics"),
            "PYTHONUNBUFFERED": "1",
        }

    def manage(self, command: str, *arguments: str, heard: Callable[[str], None] = _quiet) -> None:
        """Runs a command of manage.py to its end; `heard` gets its lines. Stop with its last words when it fails."""
        log = places.log_file(self.logs, command)
        with log.open("a") as file:
            process = subprocess.Popen(
                [venv.python(), "manage.py", command, *arguments], cwd=places.ROOT, env=self.environment(),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                start_new_session=True,
            )  # fmt: skip
            self.guard.started(process.pid, signal.SIGTERM)
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    file.write(line)
                    file.flush()
                    heard(line.rstrip())
                process.wait()
            finally:
                process.kill()
                process.wait()
                self.guard.ended(process.pid)
        if process.returncode:
            raise Stop(f"manage.py {command} failed: {places.last_line(log)}", f"Look into {log}")

    def start_processes(
        self, others: Sequence[Process] = (*WORKERS, BEAT), doing: Callable[[str], None] = _quiet
    ) -> None:
        """The web process first, since its start is what a person waits for; returns when all is ready."""
        filled = {"host": ports.HOST, "web_port": self.servers.ports.get("web"), "folder": self.where}
        self.supervisor.start(self._within(WEB), **filled)
        for name, server in self.servers.own():
            self.supervisor.keep(name, server)
        # Ours: another program may have taken the port since it was found free.
        self._until(lambda: status(f"{self.url}/healthz", self.instance) > 0, doing)
        began = time.monotonic()
        for process in others:
            self.supervisor.start(self._within(process), **filled)
        if others:
            # Signs of life of these processes, not of a former start's.
            self._until(lambda: status(f"{self.url}/readyz?within={int(time.monotonic() - began)}") == 200, doing)

    def _within(self, process: Process) -> Process:
        return replace(process, command=f"{self.within} {process.command}") if self.within else process

    def _until(self, done: Callable[[], bool], doing: Callable[[str], None]) -> None:
        began = time.monotonic()
        while not done():
            waited_s = time.monotonic() - began
            if waited_s > READY_S_MAX:
                raise Stop(f"{self.url} is not ready after {READY_S_MAX} s", f"Look into the logs in {self.logs}")
            if self.supervisor.failures("web") >= WEB_FAILURES_MAX:
                log = self.logs / "web.log"
                raise Stop(f"The web process does not start: {places.last_line(log)}", f"Look into {log}")
            doing(f"waiting for {self.url} ({waited_s:.0f} s)")
            self.supervisor.tick()
            time.sleep(0.1)

    def stop(self) -> list[str]:
        """Ends all, the servers last. Returns the names of those that had to be killed."""
        killed = self.supervisor.stop()
        self.servers.stop()
        self.guard.close()
        if self._web is not None:
            self._web.release()
        return killed


@contextlib.contextmanager
def running(
    where: Path, *, durable: bool = True, remove: bool = False, say: Callable[[str], None] = print,
    others: Sequence[Process] = (*WORKERS, BEAT), within: str = "", more: Mapping[str, str] | None = None,
) -> Iterator[Room]:  # fmt: skip
    """A room with servers of its own in `where`, with its tables and without data, ready; ended with the block.

    `others` run beside the web. While the block runs nothing is started again unless it calls supervisor.tick() now
    and then. `remove`: the folder goes afterwards, also when this process is killed. `within` and `more`: as of
    the room.
    """
    places.folder(where.parent)
    alone = filelock.held(where.with_name(f"{where.name}.lock"), LOCK_WAIT_S, lambda _: None, lambda: None)
    with alone as lock:
        # Whoever measures or breaks them fills them with what nobody wants to keep: never those of the environment.
        room = Room(where, where / "log", keep=(lock.fd,), durable=durable, say=say, given={})
        room.within, room.more = within, dict(more or {})
        if remove:
            forget(where, room.guard)
        try:
            room.start_servers()
            room.manage("migrate", "--no-input")
            room.servers.sandboxes_wait()
            room.start_processes(others)
            yield room
        finally:
            room.stop()
