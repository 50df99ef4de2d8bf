"""External steps against a stub: our engine in two processes, beside a Celery task a row; and beside slots ÷ latency."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from q2c import clock
from q2c.models import Step
from tests.bench import posting, raw
from tests.bench.measure import Comparison

PROCESSES, SLOTS_EACH = 2, 32
STEPS = {0: 3_000, 50: 3_000}


@contextmanager
def comparisons(size: int) -> Iterator[list[Comparison]]:
    with ExitStack() as stack:
        fast, slow = (stack.enter_context(stub(latency_ms)) for latency_ms in (0, 50))
        ours_fast = stack.enter_context(Engine(fast, 0))
        ours_slow = stack.enter_context(Engine(slow, 50))
        celery = stack.enter_context(TaskPerRow(fast))
        slots = PROCESSES * SLOTS_EACH
        yield [
            Comparison("external steps, stub at 0 ms", "steps/s", ours_fast.run, celery.run,
                       "a Celery task a row, prefork 2, same stub", 8),
            Comparison("external steps, stub at 50 ms", "steps/s", ours_slow.run, lambda: ideal(slots),
                       f"{slots} slots ÷ latency", 0.65),
        ]  # fmt: skip


def ideal(slots: int) -> int:
    """What so many slots could do at best in a second."""
    time.sleep(1)
    return int(slots / 0.050)


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

    def __init__(self, url: str, latency_ms: int) -> None:
        self.url, self.count = url, STEPS[latency_ms]

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
        self.stock = 0
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
    def __init__(self, url: str) -> None:
        self.url, self.count = url, 1_000

    def __enter__(self) -> TaskPerRow:
        with raw.connect() as owner:
            owner.execute("DROP TABLE IF EXISTS bench_task")
            owner.execute("CREATE TABLE bench_task (id bigint PRIMARY KEY, state text, reference text)")
        command = [sys.executable, "-m", "celery", "-A", "tests.bench.celery_app", "worker", "-c", "2", "-P", "prefork",
                   "--without-gossip", "--without-mingle", "-l", "ERROR"]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        with raw.connect() as owner:
            owner.execute("DROP TABLE IF EXISTS bench_task")

    def run(self) -> int:
        from tests.bench.celery_app import post

        with raw.connect() as owner:
            owner.execute("TRUNCATE bench_task")
            owner.execute("INSERT INTO bench_task SELECT n, 'waiting', '' FROM generate_series(1, %s) n", [self.count])
            for row in range(1, self.count + 1):
                post.delay(row, self.url)
            while owner.execute("SELECT count(*) FROM bench_task WHERE state <> 'done'").fetchone() != (0,):
                time.sleep(0.01)
        return self.count
