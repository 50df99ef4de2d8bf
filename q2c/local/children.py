"""Starts processes that cannot outlive this one, and ends them.

Each child leads a session of its own: Ctrl-C in the terminal reaches only us, and we end them in order. Children are
to be started from the main thread: Linux sends PR_SET_PDEATHSIG when the starting *thread* ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from q2c.local import tether
from q2c.local.accounts import Account
from q2c.local.guard import Guard, living, send


class Child:
    """A running process with all that it started."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], ask: int, guard: Guard) -> None:
        self.name = name
        self.process = process
        self.ask = ask
        self.began = time.monotonic()
        self._guard = guard

    @property
    def pid(self) -> int:
        return self.process.pid

    def runs(self) -> bool:
        return self.process.poll() is None

    def ended(self) -> None:
        """To be called once it was seen to have ended by itself: what it left behind is killed."""
        for group in living({self.pid}):
            send(group, signal.SIGKILL)
        self._guard.ended(self.pid)


def start(
    name: str, command: list[str], *, guard: Guard, env: Mapping[str, str], log: Path, cwd: str | Path = "/",
    ask: int = signal.SIGTERM, account: Account | None = None, stdin: str | None = None,
) -> Child:  # fmt: skip
    """Starts `command`; `ask` is the signal that asks it to end. What it prints is appended to `log`."""
    whom = f"{account.uid}:{account.gid}" if account else "-"
    with log.open("ab") as out:
        process = subprocess.Popen(
            tethered(command, ask, whom),
            env=dict(env), cwd=cwd, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    child = Child(name, process, ask, guard)
    guard.started(process.pid, ask)
    if stdin is not None:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(stdin.encode())
            process.stdin.close()
    return child


def tethered(command: list[str], ask: int = signal.SIGKILL, whom: str = "-") -> list[str]:
    """The command line that runs `command` and sends it `ask` when this process dies."""
    return [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), str(int(ask)), whom, *command]


def stop(children: Iterable[Child], grace_s: float) -> list[str]:
    """Asks all to end at once, kills after `grace_s` what still runs. Returns the names of those killed."""
    asked = list(children)
    for child in asked:
        if child.runs():
            with contextlib.suppress(ProcessLookupError):
                # The leader only: gunicorn and PostgreSQL end their own children in order.
                child.process.send_signal(child.ask)
    deadline = time.monotonic() + grace_s
    while any(child.runs() for child in asked) and time.monotonic() < deadline:
        time.sleep(0.02)
    killed = [child.name for child in asked if child.runs()]
    for child in asked:
        if child.runs():
            send(child.pid, signal.SIGKILL)
            child.process.wait()
        child.ended()
    return killed


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Served:
    """A server of ours with one process: `child` while it runs, `grace_s` for it to end in order."""

    child: Child | None = None
    grace_s = 5.0

    def runs(self) -> bool:
        return self.child is not None and self.child.runs()

    def stop(self) -> None:
        if self.child is not None:
            stop([self.child], self.grace_s)
            self.child = None
