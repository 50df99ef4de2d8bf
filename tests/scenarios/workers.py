"""Celery workers as production starts them, on the database and the Valkey of this test run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from q2c import clock
from q2c.local.processes import WORKERS
from q2c.models import WorkerSeen

_WORKER = next(process for process in WORKERS if process.name == "posting").command


def until(done: Callable[[], object], wait_s: float = 60.0, why: Callable[[], str] = str) -> None:
    """Waits for something that another process does; fails the test, with `why`, when it does not come."""
    deadline = time.monotonic() + wait_s
    while not done():
        assert time.monotonic() < deadline, f"it did not happen in time {why()}"
        time.sleep(0.05)


class Worker:
    """One worker process, in a group of its own."""

    def __init__(self, queues: tuple[str, ...], name: str, environment: dict[str, str], log: Path) -> None:
        command = _WORKER.replace("-Q posting -n posting@%h", f"-Q {','.join(queues)} -n {name}@%h").split()
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=settings.BASE_DIR, env=environment, stdout=file, stderr=file,
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """As a machine that loses its power."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def worker(*queues: str, log: Path, name: str = "one", **variables: str) -> Iterator[Worker]:
    """Ready when the block begins, gone when it ends."""
    began = clock.now()
    made = Worker(queues, name, {**environment(), **variables}, log)
    try:
        seen = WorkerSeen.objects.filter(queue__in=queues, seen_at__gte=began)
        until(lambda: seen.count() == len(queues), 90, lambda: log.read_text()[-3000:])
        yield made
    finally:
        made.kill()


def environment() -> dict[str, str]:
    """The addresses of this run, with the test's own database."""
    name = connection.settings_dict["NAME"]
    found = {key: value for key, value in os.environ.items() if key != "Q2C_AS_OWNER"}
    for key in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        if key in found:
            found[key] = urlsplit(found[key])._replace(path=f"/{name}").geturl()
    return {**found, "PYTHONUNBUFFERED": "1"}
