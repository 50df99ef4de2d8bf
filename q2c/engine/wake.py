"""Redis only wakes workers. One message per stage is enough, however many steps became due."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from django.core.cache import cache
from django.db import transaction

log = logging.getLogger(__name__)

# Set by q2c.tasks: the engine knows no Celery. Takes a stage's name.
send: Callable[[str], None] | None = None
# The same for work that belongs to no stage. Takes a task's name, without its module.
call: Callable[[str], None] | None = None


def after_commit(stages: Iterable[str]) -> None:
    """Wake the workers of these stages once the current transaction is there for them to see."""
    names = sorted(stages)
    transaction.on_commit(lambda: now(names))


def now(stages: Iterable[str]) -> None:
    """Wake at once; a wake-up that nobody has answered yet is not repeated within two seconds.

    A Redis that does not answer costs nothing but time: the sweeper finds the steps.
    """
    if send is None:
        return
    for stage in stages:
        try:
            if cache.add(f"q2c:awake:{stage}", 1, timeout=2):
                send(stage)
        except Exception:
            log.warning("wake-up lost, the sweeper will find the work", extra={"stage": stage}, exc_info=True)


def task_after_commit(name: str) -> None:
    """Have a task run once the current transaction is there for it to see; lost, the next sweep does its work."""
    transaction.on_commit(lambda: _task(name))


def _task(name: str) -> None:
    if call is None:
        return
    try:
        call(name)
    except Exception:
        log.warning("wake-up lost, the sweeper will find the work", extra={"task": name}, exc_info=True)


def answered(stage: str) -> None:
    """The worker is up: the next wake-up counts again."""
    try:
        cache.delete(f"q2c:awake:{stage}")
    except Exception:
        log.warning("could not clear a wake-up", extra={"stage": stage}, exc_info=True)
