"""Celery's app for the workers of a story told in another year: before each task they set their clock by the story's.

Everything else is production's: `celery -A tests.scenarios.clocked worker …`.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from celery.signals import task_prerun

from q2c import clock
from q2c.celery import app

__all__ = ["app"]

FILE = "Q2C_STORY_CLOCK"


@task_prerun.connect
def _set_the_clock(**_: object) -> None:
    told = Path(os.environ[FILE])
    if told.exists():
        clock._frozen = dt.datetime.fromisoformat(told.read_text())
