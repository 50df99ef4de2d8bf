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

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
app = Celery("q2c")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["q2c"])

# Header of a message. Celery has a correlation_id of its own, which is the task's.
SENDER = "q2c_correlation_id"

QUEUES = ("intake", "provisioning", "posting", "finance", "outbound")
# Whose worker sweeps, folds and watches, too.
HOUSEKEEPING = "outbound"

app.conf.beat_schedule = {
    "sweep": {"task": "q2c.tasks.sweep", "schedule": 3.0, "options": {"queue": HOUSEKEEPING, "expires": 3}},
    "sweep-cases": {
        "task": "q2c.tasks.sweep_cases",
        "schedule": 60.0,
        "options": {"queue": HOUSEKEEPING, "expires": 60},
    },
    "poll-sources": {"task": "q2c.tasks.poll_sources", "schedule": 20.0, "options": {"queue": "intake", "expires": 20}},
    "sweep-sources": {
        "task": "q2c.tasks.sweep_sources",
        "schedule": 3600.0,
        "options": {"queue": "intake", "expires": 3600},
    },
    "watch-blockers": {
        "task": "q2c.tasks.watch_blockers",
        "schedule": 20.0,
        "options": {"queue": HOUSEKEEPING, "expires": 20},
    },
    "look-at-offers": {
        "task": "q2c.tasks.look_at_offers",
        "schedule": 20.0,
        "options": {"queue": HOUSEKEEPING, "expires": 20},
    },
    "forget": {"task": "q2c.tasks.forget", "schedule": 3600.0, "options": {"queue": HOUSEKEEPING, "expires": 3600}},
    "complete-orders": {
        "task": "q2c.tasks.complete_orders",
        "schedule": 3600.0,
        "options": {"queue": HOUSEKEEPING, "expires": 3600},
    },
    "fold": {"task": "q2c.tasks.fold", "schedule": 30.0, "options": {"queue": HOUSEKEEPING, "expires": 30}},
    "heartbeat": {"task": "q2c.tasks.heartbeat", "schedule": 10.0, "options": {"queue": HOUSEKEEPING, "expires": 10}},
}


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
    from django.core.exceptions import ImproperlyConfigured

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
