"""What Celery runs: thin, by name, idempotent. The work itself is in q2c/engine."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from celery.signals import worker_ready
from django.conf import settings
from kombu import Connection
from kombu.pools import producers

from exceptions import sweep as case_sweeper
from q2c import clock
from q2c.celery import HOUSEKEEPING, TASKS, app
from q2c.engine import beside, breaker, callouts, desk, offered, poll, run, wake, watch
from q2c.engine import sweep as sweeper
from q2c.engine.alone import alone
from q2c.models import Callout, Fetched, IdempotencyRecord, LatestRead, WorkerSeen, tally
from q2c.stages import STAGES, completed

# A worker gives its place to other stages of its queue after so many batches, and wakes itself again.
BATCHES_A_TURN = 20
# How often a worker whose threads are all at work says that it lives: it hears no heartbeat then.
SIGN_S = 10.0
# Held by who works on a stage of the queue in which the sweeper runs: its worker's other threads stay free for that.
_beside_the_sweeper = threading.Lock()
# Of the threads that read what changed, probes of platforms that are silent take two.
_probing = threading.BoundedSemaphore(2)
T = TypeVar("T")


@app.task(name="q2c.tasks.seen")
def seen(queue: str) -> None:
    """Each queue's worker writes its own sign of life, so a worker that hears nothing is noticed."""
    WorkerSeen.objects.update_or_create(queue=queue, defaults={"seen_at": clock.now()})


def _once(act: Callable[[], T]) -> Callable[[], T | None]:
    """Done by one at a time; whoever comes meanwhile goes away with None, since the schedule wakes again."""

    @functools.wraps(act)
    def done() -> T | None:
        with alone(act.__name__) as mine:
            return act() if mine else None

    return done


def _says_it_lives(act: Callable[[], T]) -> Callable[[], T]:
    """While it is done, its queue's worker says that it lives, however long a platform takes."""
    queue, _ = TASKS[act.__name__]

    @functools.wraps(act)
    def done() -> T:
        with beside.every(SIGN_S, partial(seen, queue)):
            return act()

    return done


@app.task(name="q2c.tasks.run_stage")
def run_stage(name: str) -> int:
    """Run batches of one stage until none is due or the turn is over."""
    wake.answered(name)
    queue = STAGES[name].queue
    if queue != HOUSEKEEPING:
        return _turn(name, queue)
    if not _beside_the_sweeper.acquire(blocking=False):
        # Whoever has it goes on until nothing is due; what comes in that moment the next sweep finds.
        return 0
    try:
        return _turn(name, queue)
    finally:
        _beside_the_sweeper.release()


def _turn(name: str, queue: str) -> int:
    done = 0
    with beside.every(SIGN_S, partial(seen, queue)):
        for _ in range(BATCHES_A_TURN):
            count = run.run_stage(name)
            done += count
            if not count:
                return done
    wake.now([name])
    return done


# Housekeeping: no platform is asked here -------------------------------------------------------------------------


@app.task(name="q2c.tasks.sweep")
def sweep() -> dict[str, int]:
    return sweeper.sweep()


@app.task(name="q2c.tasks.sweep_cases")
@_says_it_lives
@_once
def sweep_cases() -> dict[str, int]:
    """What time alone does to cases: wake the snoozed, end empty problems, add up counts."""
    return case_sweeper.sweep()


@app.task(name="q2c.tasks.advance_batches")
@_says_it_lives
@_once
def advance_batches() -> int:
    """Go on with replays; woken when one is sent. The sweep does the same when nobody wakes it."""
    return desk.work()


@app.task(name="q2c.tasks.forget")
@_says_it_lives
@_once
def forget() -> int:
    """What was only kept for a while: answers to repeated requests, callouts that came to an end."""
    return sum(kept.forget() for kept in (IdempotencyRecord, Callout, Fetched, LatestRead))


@app.task(name="q2c.tasks.complete_orders")
@_says_it_lives
@_once
def complete_orders() -> int:
    """Orders whose term is over and of which all is billed."""
    return completed.complete()


@app.task(name="q2c.tasks.fold")
@_says_it_lives
@_once
def fold() -> None:
    """Add up the counts behind the control tower."""
    tally.fold()


# Inbound: each waits for platforms, and keeps no other waiting -----------------------------------------------------


@app.task(name="q2c.tasks.poll_sources")
@_says_it_lives
def poll_sources() -> dict[str, int]:
    """Read what changed in the sales and billing platforms; what callouts named and was not fetched comes first."""
    return poll.poll_sources()


@app.task(name="q2c.tasks.fetch_called_out")
@_says_it_lives
def fetch_called_out() -> int:
    """Woken by a callout; the next poll does the same when nobody wakes it."""
    return callouts.fetch_called_out()


@app.task(name="q2c.tasks.sweep_sources")
@_says_it_lives
@_once
def sweep_sources() -> dict[str, int]:
    """Once a day for each source: find what its polls missed. Called every hour, so that an outage only puts it off."""
    return poll.sweep_sources()


@app.task(name="q2c.tasks.probe_platforms")
@_says_it_lives
def probe_platforms() -> int:
    """Whether platforms that were silent answer again."""
    if not _probing.acquire(blocking=False):
        return 0
    try:
        return len(breaker.probe_due())
    finally:
        _probing.release()


@app.task(name="q2c.tasks.watch_blockers")
@_says_it_lives
@_once
def watch_blockers() -> dict[str, int]:
    """Look whether what stands in the way of open cases still does, and offer what is free."""
    return watch.watch_blockers()


@app.task(name="q2c.tasks.look_at_offers")
@_says_it_lives
@_once
def look_at_offers() -> int:
    """Dry-run what is offered; woken when an offer is made. The beat does the same when nobody wakes it."""
    return offered.look_at_offers()


@app.task(name="q2c.tasks.look_at_replays")
@_says_it_lives
@_once
def look_at_replays() -> int:
    """Go on with dry runs of many; woken when one is planned. The beat does the same when nobody wakes it."""
    return desk.look_on()


def _send(stage: str) -> None:
    _publish(run_stage.name, STAGES[stage].queue, stage)


def _call(name: str) -> None:
    _publish(f"q2c.tasks.{name}", TASKS[name][0])


def _publish(task: str, queue: str, *args: str) -> None:
    """Once, and not for long: a person's request may wait for it."""
    with producers[_waker()].acquire(block=True, timeout=settings.REDIS_LIMIT_S) as producer:
        app.send_task(task, args=args, queue=queue, producer=producer, retry=False)


@functools.cache
def _waker() -> Connection:
    limits = {"socket_timeout": settings.REDIS_LIMIT_S, "socket_connect_timeout": settings.REDIS_LIMIT_S}
    return app.connection_for_write(transport_options={**limits, "max_retries": 0})


wake.send = _send
wake.call = _call


@worker_ready.connect
def _sign_in(sender: Any = None, **_: Any) -> None:
    """Ready is when /readyz may say so, not a heartbeat later."""
    for queue in sender.task_consumer.queues if sender is not None else ():
        seen.apply_async(args=[queue.name], queue=queue.name)
