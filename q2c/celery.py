"""Celery only wakes workers: what there is to do stands in PostgreSQL (q2c/engine)."""

from __future__ import annotations

import logging.config
import os
from typing import Any

import prometheus_client
import structlog
from celery import Celery
from celery.signals import (
    beat_init,
    before_task_publish,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_ready,
)
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
app = Celery("q2c")
try:
    app.config_from_object("django.conf:settings", namespace="CELERY", force=True)
except ImproperlyConfigured as wrong:
    # In one line, as the other processes say it; Celery reads them where it only shows its own traceback.
    raise SystemExit(f"q2c: {wrong}") from None
app.autodiscover_tasks(["q2c"])

# Header of a message. Celery has a correlation_id of its own, which is the task's.
SENDER = "q2c_correlation_id"

QUEUES = ("intake", "provisioning", "posting", "finance", "outbound", "inbound")
# Whose worker sweeps, folds and forgets, too. None of that asks a platform, so none keeps the sweeper waiting.
HOUSEKEEPING = "outbound"
# Whose worker asks platforms what no stage asks: what changed, whether they answer again, what a replay would meet.
# No stage has it, so no flood keeps the polls waiting.
INBOUND = "inbound"

# Task → (its queue, seconds between two wake-ups by the schedule; None: woken only).
TASKS: dict[str, tuple[str, float | None]] = {
    "sweep": (HOUSEKEEPING, 3.0),
    "sweep_cases": (HOUSEKEEPING, 60.0),
    "advance_batches": (HOUSEKEEPING, None),
    "forget": (HOUSEKEEPING, 3600.0),
    "complete_orders": (HOUSEKEEPING, 3600.0),
    "fold": (HOUSEKEEPING, 30.0),
    "poll_sources": (INBOUND, 20.0),
    "fetch_called_out": (INBOUND, None),
    "sweep_sources": (INBOUND, 3600.0),
    "probe_platforms": (INBOUND, 3.0),
    "watch_blockers": (INBOUND, 20.0),
    "look_at_offers": (INBOUND, 20.0),
    "look_at_replays": (INBOUND, 3.0),
}
HEARTBEAT_S = 10.0

app.conf.task_routes = {f"q2c.tasks.{name}": {"queue": queue} for name, (queue, _) in TASKS.items()}
# What comes late is not done twice: the next wake-up is there by then.
app.conf.beat_schedule = {
    name.replace("_", "-"): {
        "task": f"q2c.tasks.{name}", "schedule": every_s, "options": {"queue": queue, "expires": every_s},
    }
    for name, (queue, every_s) in TASKS.items() if every_s is not None
} | {
    # To each queue by itself: no worker's sign of life hangs on another worker.
    f"heartbeat-{queue}": {
        "task": "q2c.tasks.seen", "schedule": HEARTBEAT_S, "args": (queue,),
        "options": {"queue": queue, "expires": 2 * HEARTBEAT_S},
    }
    for queue in QUEUES
}  # fmt: skip


@setup_logging.connect
def _use_djangos_logging(**_: object) -> None:
    """Without this Celery would replace the structured log lines by its own; connecting is what keeps it from that."""
    from django.conf import settings

    # Reading them sets logging up: beat writes lines before it reads any setting.
    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
@beat_init.connect
def _check_settings(**_: object) -> None:
    """A worker that cannot work ends at once and says why."""
    from q2c import checks

    try:
        checks.at_start()
    except ImproperlyConfigured as wrong:
        # Celery only logs what a signal's receiver raises.
        logging.getLogger(__name__).critical("%s", wrong)
        raise SystemExit(1) from None


@before_task_publish.connect
def _pass_on(headers: dict[str, Any], **_: object) -> None:
    """A task carries the correlation id of what sent it."""
    headers.setdefault(SENDER, structlog.contextvars.get_contextvars().get("correlation_id", ""))


@task_prerun.connect
def _begin(task: Any, task_id: str, **_: object) -> None:
    """Lines of a task carry the sender's correlation id; a task of the schedule has its own."""
    given = getattr(task.request, SENDER, "") or task_id
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(correlation_id=given, task=task.name)


@task_postrun.connect
def _end(**_: object) -> None:
    structlog.contextvars.clear_contextvars()


@worker_ready.connect
def _answer_for_metrics(**_: object) -> None:
    """Where no web process of this machine does."""
    from django.conf import settings

    if settings.WORKER_METRICS_PORT:
        prometheus_client.start_http_server(settings.WORKER_METRICS_PORT)
