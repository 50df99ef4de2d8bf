"""What Celery runs: thin, by name, idempotent. The work itself is in q2c/engine."""

from __future__ import annotations

import functools
import threading
from functools import partial
from typing import Any

from celery.signals import worker_ready
from django.conf import settings
from kombu import Connection
from kombu.pools import producers

from exceptions import sweep as case_sweeper
from q2c import clock
from q2c.celery import HOUSEKEEPING, QUEUES, app
from q2c.engine import beside, callouts, desk, offered, poll, run, wake, watch
from q2c.engine import sweep as sweeper
from q2c.models import Callout, Fetched, IdempotencyRecord, LatestRead, WorkerSeen, tally
from q2c.stages import STAGES, completed

# A worker gives its place to other stages of its queue after so many batches, and wakes itself again.
BATCHES_A_TURN = 20


# How often a worker whose threads are all at work says that it lives: it hears no heartbeat then.
SIGN_S = 10.0
# Held by who works on a stage of the queue in which the sweeper runs: its worker's other thread stays free for that.
_beside_the_sweeper = threading.Lock()


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


@app.task(name="q2c.tasks.sweep")
def sweep() -> dict[str, int]:
    return sweeper.sweep()


@app.task(name="q2c.tasks.sweep_cases")
def sweep_cases() -> dict[str, int]:
    """What time alone does to cases: wake the snoozed, end empty problems, add up counts."""
    return case_sweeper.sweep()


@app.task(name="q2c.tasks.advance_batches")
def advance_batches() -> dict[str, int]:
    """Go on with replays; woken when one is sent. The sweep does the same when nobody wakes it."""
    return desk.work()


@app.task(name="q2c.tasks.poll_sources")
def poll_sources() -> dict[str, int]:
    """Read what changed in the sales and billing platforms; what callouts named and was not fetched comes first."""
    return poll.poll_sources()


@app.task(name="q2c.tasks.sweep_sources")
def sweep_sources() -> dict[str, int]:
    """Once a day for each source: find what its polls missed. Called every hour, so that an outage only puts it off."""
    return poll.sweep_sources()


@app.task(name="q2c.tasks.fetch_called_out")
def fetch_called_out() -> int:
    """Woken by a callout; the next poll does the same when nobody wakes it."""
    return callouts.fetch_called_out()


@app.task(name="q2c.tasks.forget")
def forget() -> int:
    """What was only kept for a while: answers to repeated requests, callouts that came to an end."""
    return sum(kept.forget() for kept in (IdempotencyRecord, Callout, Fetched, LatestRead))


@app.task(name="q2c.tasks.complete_orders")
def complete_orders() -> int:
    """Orders whose term is over and of which all is billed."""
    return completed.complete()


@app.task(name="q2c.tasks.watch_blockers")
def watch_blockers() -> dict[str, int]:
    """Look whether what stands in the way of open cases still does, and offer what is free."""
    return watch.watch_blockers()


@app.task(name="q2c.tasks.look_at_offers")
def look_at_offers() -> int:
    """Dry-run what is offered; woken when an offer is made. The beat does the same when nobody wakes it."""
    return offered.look_at_offers()


@app.task(name="q2c.tasks.fold")
def fold() -> None:
    """Add up the counts behind the control tower."""
    tally.fold()


@app.task(name="q2c.tasks.heartbeat")
def heartbeat() -> None:
    """Each queue's worker writes its own sign of life, so a worker that hears nothing is noticed."""
    for queue in QUEUES:
        seen.apply_async(args=[queue], queue=queue, expires=20)


@app.task(name="q2c.tasks.seen")
def seen(queue: str) -> None:
    WorkerSeen.objects.update_or_create(queue=queue, defaults={"seen_at": clock.now()})


def _send(stage: str) -> None:
    _publish(run_stage.name, STAGES[stage].queue, stage)


def _call(name: str) -> None:
    _publish(f"q2c.tasks.{name}", HOUSEKEEPING)


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
