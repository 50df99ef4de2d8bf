"""Celery only wakes workers: what there is to do stands in PostgreSQL (q2c/engine)."""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
app = Celery("q2c")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["q2c"])

QUEUES = ("intake", "provisioning", "posting", "finance", "outbound")

app.conf.beat_schedule = {
    "sweep": {"task": "q2c.tasks.sweep", "schedule": 3.0, "options": {"queue": "outbound", "expires": 3}},
    "sweep-cases": {"task": "q2c.tasks.sweep_cases", "schedule": 60.0, "options": {"queue": "outbound", "expires": 60}},
    "poll-sources": {"task": "q2c.tasks.poll_sources", "schedule": 20.0, "options": {"queue": "intake", "expires": 20}},
    "watch-blockers": {
        "task": "q2c.tasks.watch_blockers",
        "schedule": 20.0,
        "options": {"queue": "outbound", "expires": 20},
    },
    "fold": {"task": "q2c.tasks.fold", "schedule": 30.0, "options": {"queue": "outbound", "expires": 30}},
    "heartbeat": {"task": "q2c.tasks.heartbeat", "schedule": 10.0, "options": {"queue": "outbound", "expires": 10}},
}


@setup_logging.connect
def _use_djangos_logging(**_: object) -> None:
    """Without this Celery would replace the structured log lines by its own."""
