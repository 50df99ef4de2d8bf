"""External steps against a stub: our engine in two processes, beside a Celery task a row; and beside slots ÷ latency."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import redis

from q2c import clock
from q2c.models import Step
from tests.bench import celery_app, posting, raw
from tests.bench.measure import Comparison
from tests.bench.sizes import Sizes

PROCESSES, SLOTS_EACH = 2, 32
DONE_S_MAX = 120
LATENCY_MS = 50


@contextmanager
def comparisons(sizes: Sizes) -> Iterator[list[Comparison]]:
    with ExitStack() as stack:
        fast, slow = (stack.enter_context(stub(latency_ms)) for latency_ms in (0, LATENCY_MS))
        ours_fast = stack.enter_context(Engine(fast, sizes.steps))
        ours_slow = stack.enter_context(Engine(slow, sizes.steps))
        celery = stack.enter_context(TaskPerRow(fast, sizes.tasks))
        slots = PROCESSES * SLOTS_EACH
        yield [
            Comparison("external steps, stub at 0 ms", "steps/s", ours_fast.run, celery.run,
                       "a Celery task a row, prefork 2, same stub", 8),
            Comparison(f"external steps, stub at {LATENCY_MS} ms", "steps/s", ours_slow.run, lambda: ideal(slots),
                       f"{slots} slots ÷ latency", 0.65),
        ]  # fmt: skip


def ideal(slots: int) -> int:
    """What so many slots could do at best, waiting all the time."""
    time.sleep(LATENCY_MS / 1000)
    return slots


@contextmanager
def stub(latency_ms: int) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.bench.stub", str(port), str(latency_ms)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


class Engine:
    """Worker processes that drain the stage when told."""

    def __init__(self, url: str, count: int) -> None:
        self.url, self.count = url, count

    def __enter__(self) -> Engine:
        posting.install(self.url, SLOTS_EACH)
        command = [sys.executable, "-m", "tests.bench.drain", posting.NAME, self.url, str(SLOTS_EACH)]
        self.processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        for process in self.processes:
            assert process.stdout is not None
            process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def run(self) -> tuple[int, float]:
        """The steps are there before the clock runs: making them is intake's time, not this stage's."""
        posting.facts(self.count)
        began = time.perf_counter()
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        done = 0
        for process in self.processes:
            assert process.stdout is not None
            done += int(process.stdout.readline())
        took_s = time.perf_counter() - began
        assert not Step.objects.filter(stage=posting.NAME, next_at__lte=clock.now()).exclude(state="done").exists()
        return done, took_s


class TaskPerRow:
    """The rows and their messages are there before the clock runs; then they become its queue at once."""

    def __init__(self, url: str, count: int) -> None:
        self.url, self.count = url, count

    def __enter__(self) -> TaskPerRow:
        with raw.connect() as owner:
            owner.execute("DROP TABLE IF EXISTS bench_task")
            owner.execute("CREATE TABLE bench_task (id bigint PRIMARY KEY, state text, reference text)")
        command = [sys.executable, "-m", "celery", "-A", "tests.bench.celery_app", "worker", "-c", "2", "-P", "prefork",
                   "-Q", celery_app.QUEUE, "--without-gossip", "--without-mingle", "-l", "ERROR"]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
        self.broker = redis.Redis.from_url(celery_app.BROKER)
        for _ in range(60):
            if celery_app.app.control.ping(timeout=1, limit=1):
                return self
        self.__exit__()
        raise RuntimeError("the Celery worker does not answer")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        with raw.connect() as owner:
            owner.execute("DROP TABLE IF EXISTS bench_task")

    def run(self) -> tuple[int, float]:
        with raw.connect() as owner:
            owner.execute("TRUNCATE bench_task")
            owner.execute("INSERT INTO bench_task SELECT n, 'waiting', '' FROM generate_series(1, %s) n", [self.count])
            for row in range(1, self.count + 1):
                celery_app.post.apply_async((row, self.url), queue=celery_app.ASIDE)
            began = time.perf_counter()
            self.broker.rename(celery_app.ASIDE, celery_app.QUEUE)
            while owner.execute("SELECT FROM bench_task WHERE state <> 'done' LIMIT 1").fetchone() is not None:
                if time.perf_counter() - began > DONE_S_MAX:
                    raise RuntimeError(f"the Celery worker did not finish {self.count} tasks in {DONE_S_MAX} s")
                time.sleep(0.01)
            took_s = time.perf_counter() - began
        return self.count, took_s
