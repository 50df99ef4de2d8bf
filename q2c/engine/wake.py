"""Redis only wakes workers. One message per stage is enough, however many steps became due."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from django.core.cache import cache
from django.db import transaction

log = logging.getLogger(__name__)

# Set by q2c.tasks: the engine knows no Celery. Takes a stage's name.
send: Callable[[str], None] | None = None
# The same for work that belongs to no stage. Takes a task's name, without its module.
call: Callable[[str], None] | None = None
# How long this process wakes nobody after a wake-up was lost; the sweeper comes every three seconds.
QUIET_S = 3.0
_quiet_until = 0.0


def after_commit(stages: Iterable[str]) -> None:
    """Wake the workers of these stages once the current transaction is there for them to see."""
    names = sorted(stages)
    transaction.on_commit(lambda: now(names))


def now(stages: Iterable[str]) -> None:
    """Wake at once; a wake-up that nobody has answered yet is not repeated within two seconds.

    A Redis that does not answer costs a second at most: the sweeper finds the steps.
    """
    if send is None:
        return
    for stage in stages:
        if is_quiet():
            return
        try:
            if cache.add(f"q2c:awake:{stage}", 1, timeout=2):
                send(stage)
        except Exception:
            _lost({"stage": stage})


def is_quiet() -> bool:
    """Whether Redis did not answer a moment ago: whoever waits for us does not wait for it a second time."""
    return time.monotonic() < _quiet_until


def _lost(about: dict[str, str]) -> None:
    global _quiet_until
    _quiet_until = time.monotonic() + QUIET_S
    log.warning("wake-up lost, the sweeper will find the work", extra=about, exc_info=True)


def task_after_commit(name: str) -> None:
    """Have a task run once the current transaction is there for it to see; lost, the next sweep does its work."""
    transaction.on_commit(lambda: _task(name))


def _task(name: str) -> None:
    if call is None or is_quiet():
        return
    try:
        call(name)
    except Exception:
        _lost({"task": name})


def answered(stage: str) -> None:
    """The worker is up: the next wake-up counts again."""
    try:
        cache.delete(f"q2c:awake:{stage}")
    except Exception:
        log.warning("could not clear a wake-up", extra={"stage": stage}, exc_info=True)
