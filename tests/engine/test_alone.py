"""A source is read by one worker at a time, and one that was killed stands in nobody's way for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from django.conf import settings

from q2c.engine import alone as module
from q2c.engine.alone import alone

KEY = "q2c:alone:a source"
# Long enough for a machine with much to do, short enough to wait for.
HELD_S = 3.0
# Says whether it is alone, then goes on for a minute.
AT_WORK = f"""
import django, time
django.setup()
from q2c.engine import alone
alone.HELD_S = {HELD_S}
with alone.alone("a source") as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "HELD_S", HELD_S)
    held().delete(KEY)
    yield
    held().delete(KEY)


def held():
    return module._redis(settings.REDIS_URL)


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Another process, alone at it."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "q2c.settings"}
    process = subprocess.Popen(
        [sys.executable, "-c", AT_WORK], cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "True\n"
        yield process
    finally:
        process.kill()
        process.wait()


def is_free() -> bool:
    with alone("a source") as mine:
        return mine


def test_a_long_read_keeps_the_others_out_beyond_the_time_of_its_key(other: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 2 * HELD_S
    while time.monotonic() < until:
        assert not is_free()
        time.sleep(0.1)


def test_a_killed_worker_leaves_its_source_within_the_time_of_its_key(other: subprocess.Popen[str]) -> None:
    assert not is_free()
    other.send_signal(signal.SIGKILL)
    other.wait()
    killed = time.monotonic()
    while not is_free():
        assert time.monotonic() < killed + 2 * HELD_S
        time.sleep(0.1)


def test_that_is_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with alone("a source") as mine:
        assert mine
        assert 0 < held().pttl(KEY) <= 30_000
    assert held().get(KEY) is None


def test_only_its_owner_takes_it_away() -> None:
    """One that was stopped for long comes back, and another is at it."""
    with alone("a source") as mine:
        assert mine
        held().set(KEY, "another's", px=60_000)
        # A renewal takes nothing over.
        time.sleep(HELD_S / module.RENEWALS + 0.3)
        assert not is_free()
    assert held().get(KEY) == b"another's"


def test_a_wiped_redis_is_told_again() -> None:
    with alone("a source"):
        held().delete(KEY)
        time.sleep(HELD_S / module.RENEWALS + 0.3)
        assert not is_free()


def test_without_redis_everybody_goes_on(settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with alone("a source") as first, alone("a source") as second:
        assert (first, second) == (True, True)


def test_what_breaks_inside_leaves_the_source_free() -> None:
    with pytest.raises(ZeroDivisionError), alone("a source"):
        raise ZeroDivisionError
    assert is_free()
