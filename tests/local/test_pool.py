"""A PostgreSQL that is killed and comes back: the pool of a process is with it at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from q2c.local.guard import Guard
from q2c.local.servers import Servers

ROOT = Path(__file__).resolve().parents[2]
# Six connections of the pool, each used and idle; then, a line at a time, one question each.
ASKS = """
import sys, threading, time
import django
django.setup()
from django.db import DatabaseError, connection
together = threading.Barrier(6)
def ask():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        together.wait()
    connection.close()
threads = [threading.Thread(target=ask) for _ in range(6)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print("ready", flush=True)
for line in sys.stdin:
    began = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        said = "answered"
    except DatabaseError as error:
        said = type(error).__name__
    connection.close()
    print(said, round(time.monotonic() - began, 2), flush=True)
"""


@pytest.fixture
def own() -> Iterator[Servers]:
    where = Path(tempfile.mkdtemp(prefix="q2c-local-"))
    where.chmod(0o755)
    servers = Servers(where, where / "log", guard=Guard(), durable=False, given={})
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()
        servers.guard.close()
        shutil.rmtree(where)


class Asking:
    def __init__(self, env: dict[str, str]) -> None:
        given = {**os.environ, **env, "DJANGO_SETTINGS_MODULE": "q2c.settings", "PYTHONPATH": str(ROOT)}
        given.pop("Q2C_AS_OWNER", None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", ASKS], env=given, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._line() == ["ready"]

    def _line(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def ask(self) -> tuple[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        said, seconds = self._line()
        return said, float(seconds)


@pytest.mark.parametrize("away_s", [0, 20])
def test_the_pool_is_back_when_its_server_is(own: Servers, away_s: float) -> None:
    """Killed as a machine dies; asked while it is away, so that the pool has tried and paused; and back."""
    assert own.postgres is not None and own.postgres.child is not None
    asking = Asking(own.env)
    try:
        assert asking.ask()[0] == "answered"
        pid = int((own.postgres.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        own.postgres.stop()
        until = time.monotonic() + away_s
        while time.monotonic() < until:
            said, seconds = asking.ask()
            assert said == "OperationalError" and seconds < 7
        own.postgres.start()
        # Of the connections that broke, none is asked one by one: the first request is answered.
        said, seconds = asking.ask()
        assert said == "answered" and seconds < 4
        assert all(asking.ask()[0] == "answered" for _ in range(12))
    finally:
        asking.process.kill()
        asking.process.wait()
