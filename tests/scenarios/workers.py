"""Celery workers as production starts them, on the database and the Valkey of this test run."""

from __future__ import annotations

import datetime as dt
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

from exceptions.models.batch import UNDERWAY

# tasks: imported, it is what wakes workers.
from q2c import clock, tasks  # noqa: F401
from q2c.celery import QUEUES
from q2c.demo.flow import Flow
from q2c.demo.platforms import Platforms
from q2c.engine import wake
from q2c.engine.claim import FREE
from q2c.local.processes import WORKERS
from q2c.models import Step, WorkerSeen
from q2c.models.step import DUE, OPEN
from tests.scenarios import clocked

_WORKERS = {process.name: process.command for process in WORKERS}


def until(done: Callable[[], object], wait_s: float = 60.0, why: Callable[[], str] = str) -> None:
    """Waits for something that another process does; fails the test, with `why`, when it does not come."""
    deadline = time.monotonic() + wait_s
    while not done():
        assert time.monotonic() < deadline, f"it did not happen in time {why()}"
        time.sleep(0.05)


class Worker:
    """One worker process, in a group of its own, with the threads that production gives to the first of its queues."""

    def __init__(self, queues: tuple[str, ...], name: str, environment: dict[str, str], log: Path) -> None:
        first = queues[0]
        told = _WORKERS[first].replace(f"-Q {first} -n {first}@%h", f"-Q {','.join(queues)} -n {name}@%h")
        command = told.split()
        if clocked.FILE in environment:
            command[command.index("q2c.celery")] = clocked.__name__
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


@contextmanager
def process(arguments: list[str], env: dict[str, str], log: Path) -> Iterator[None]:
    """A module of the table of processes with its arguments, gone when the block ends."""
    with log.open("ab") as file:
        made = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=settings.BASE_DIR, env=env, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield
    finally:
        # With all that it started: gunicorn's workers would go on, and hold the test's database.
        os.killpg(made.pid, signal.SIGKILL)
        made.wait()


def environment() -> dict[str, str]:
    """The addresses of this run, with the test's own database."""
    name = connection.settings_dict["NAME"]
    found = {key: value for key, value in os.environ.items() if key != "Q2C_AS_OWNER"}
    for key in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        if key in found:
            found[key] = urlsplit(found[key])._replace(path=f"/{name}").geturl()
    return {**found, "PYTHONUNBUFFERED": "1"}


class WorkedFlow(Flow):
    """The flow of a story whose steps run in Celery workers; they read the story's clock from a file."""

    def __init__(self, platforms: Platforms, told: Path) -> None:
        super().__init__(platforms)
        self._told = told

    @contextmanager
    def at(self, instant: dt.datetime, *, everywhere: bool = True) -> Iterator[None]:
        self._tell(instant)
        with super().at(instant, everywhere=everywhere):
            yield

    def _tell(self, instant: dt.datetime) -> None:
        """In one step: a worker never reads half of it."""
        new = self._told.with_suffix(".new")
        new.write_text(instant.isoformat())
        new.replace(self._told)

    def _drain(self) -> int:
        """Wait until the workers have nothing to do at this moment."""
        self._tell(clock.now())
        before = Step.objects.filter(state="done").count()
        until(_quiet, 120, lambda: str(list(Step.objects.filter(state__in=OPEN).values("stage", "state", "text"))))
        return Step.objects.filter(state="done").count() - before


# In one statement: asked one after the other, a step could be running where due ones are asked for, and have made the
# next one due by the time running ones are.
_AT_WORK = f"""
SELECT (SELECT coalesce(array_agg(DISTINCT s.stage), '{{}}') FROM q2c_step s
        WHERE s.state = ANY(%s) AND s.next_at <= %s AND {FREE}
          AND NOT EXISTS (SELECT FROM q2c_breaker b
                          WHERE b.opened_at IS NOT NULL AND b.connection IN (s.connection, s.waiting_for))),
       EXISTS (SELECT FROM q2c_step WHERE state = 'running'),
       EXISTS (SELECT FROM exceptions_replaybatch WHERE state = ANY(%s))
"""


def _quiet() -> bool:
    """Nothing runs and nothing that could run is due; wakes whom it waits for, as the beat does."""
    with connection.cursor() as cursor:
        cursor.execute(_AT_WORK, [list(DUE), clock.now(), list(UNDERWAY)])
        stages, running, replaying = cursor.fetchone()
    wake.now(stages)
    return not (stages or running or replaying)


@contextmanager
def working(flow: WorkedFlow, log: Path) -> Iterator[None]:
    """One worker process for every queue, on the story's clock."""
    with worker(*QUEUES, log=log, name="story", **{clocked.FILE: str(flow._told)}):
        yield
