"""Keeps processes running: one that ends is started again, later each time; all end together.

Start from the main thread, call tick() a few times a second while they shall run, then stop().
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from q2c.local import children, places, venv
from q2c.local.guard import Guard
from q2c.local.processes import Process
from q2c.local.stop import Stop

BACKOFF_S = (1, 2, 4, 8, 15, 30)
# A process that ran this long has recovered: its next end counts as the first.
RECOVERED_S = 60
GRACE_S = 7


class Kept(Protocol):
    """What can be kept running: a row of the process table, or a server."""

    child: children.Child | None

    def begin(self) -> object: ...


class Supervisor:
    """`say` gets one line for each process that ended by itself."""

    def __init__(
        self, guard: Guard, env: Mapping[str, str], logs: Path, say: Callable[[str], None], python: Path | None = None
    ) -> None:
        self.guard, self.env, self.logs, self.say = guard, env, logs, say
        self.python = python or venv.python()
        self._kept: dict[str, Kept] = {}
        self._failures: dict[str, int] = {}
        self._due_at: dict[str, float] = {}
        self.backoff_s: Sequence[float] = BACKOFF_S

    def start(self, process: Process, **filled: object) -> children.Child:
        running = _Running(self, process, filled)
        running.begin()
        self.keep(process.name, running)
        assert running.child is not None
        return running.child

    def keep(self, name: str, kept: Kept) -> None:
        """Watches over something that runs already."""
        self._kept[name] = kept

    def tick(self) -> None:
        """Looks after each once; to be called a few times a second, from the thread that started them."""
        self.guard.check()
        now = time.monotonic()
        for name, kept in self._kept.items():
            if name in self._due_at:
                if now >= self._due_at[name]:
                    del self._due_at[name]
                    self._again(name, kept)
            elif kept.child is not None and not kept.child.runs():
                kept.child.ended()
                if now - kept.child.began > RECOVERED_S:
                    self._failures.pop(name, None)
                self._later(name, how_it_ended(kept.child.process.returncode))

    def children(self) -> dict[str, children.Child]:
        """What runs now, by name."""
        return {name: kept.child for name, kept in self._kept.items() if kept.child is not None and kept.child.runs()}

    def failures(self, name: str) -> int:
        """How often it has ended in a row without running for RECOVERED_S."""
        return self._failures.get(name, 0)

    def stop(self) -> list[str]:
        """Ends what start() started, within GRACE_S; returns the names of those that had to be killed."""
        running = [kept.child for kept in self._kept.values() if isinstance(kept, _Running) and kept.child]
        self._kept.clear()
        return children.stop(running, GRACE_S)

    def _again(self, name: str, kept: Kept) -> None:
        try:
            kept.begin()
        except Stop as stop:
            self._later(name, stop.message)

    def _later(self, name: str, why: str) -> None:
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        wait_s = self.backoff_s[min(failures, len(self.backoff_s)) - 1]
        self._due_at[name] = time.monotonic() + wait_s
        self.say(f"{name} ended ({why}) and starts again in {wait_s} s; its log: {self.logs / name}.log")


class _Running:
    """A row of the table, running."""

    def __init__(self, supervisor: Supervisor, process: Process, filled: Mapping[str, object]) -> None:
        self._supervisor, self._process = supervisor, process
        self._arguments = process.arguments(**filled)
        self._log = places.log_file(supervisor.logs, process.name)
        self.child: children.Child | None = None

    def begin(self) -> None:
        supervisor = self._supervisor
        self.child = children.start(
            self._process.name, [str(supervisor.python), "-m", *self._arguments], guard=supervisor.guard,
            env={**supervisor.env, "Q2C_PROCESS": self._process.name}, log=self._log, cwd=places.ROOT,
        )  # fmt: skip


def how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code}"
