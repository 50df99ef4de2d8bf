"""What Celery runs: thin, by name, idempotent. The work itself is in q2c/engine."""

from __future__ import annotations

from typing import Any

from celery import Task
from celery.signals import worker_ready

from q2c import clock
from q2c.celery import QUEUES, app
from q2c.engine import run, wake
from q2c.engine import sweep as sweeper
from q2c.models import WorkerSeen
from q2c.stages import STAGES

# A worker gives its place to other stages of its queue after so many batches, and wakes itself again.
BATCHES_A_TURN = 20


@app.task(name="q2c.tasks.run_stage")
def run_stage(name: str) -> int:
    """Run batches of one stage until none is due or the turn is over."""
    wake.answered(name)
    done = 0
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


@app.task(name="q2c.tasks.heartbeat")
def heartbeat() -> None:
    """Each queue's worker writes its own sign of life, so a worker that hears nothing is noticed."""
    for queue in QUEUES:
        seen.apply_async(args=[queue], queue=queue, expires=20)


@app.task(name="q2c.tasks.seen")
def seen(queue: str) -> None:
    WorkerSeen.objects.update_or_create(queue=queue, defaults={"seen_at": clock.now()})


def _send(stage: str) -> None:
    task: Task[Any, Any] = run_stage
    task.apply_async(args=[stage], queue=STAGES[stage].queue)


wake.send = _send


@worker_ready.connect
def _sign_in(sender: Any = None, **_: Any) -> None:
    """Ready is when /readyz may say so, not a heartbeat later."""
    for queue in sender.task_consumer.queues if sender is not None else ():
        seen.apply_async(args=[queue.name], queue=queue.name)
