"""The baseline of external steps: a Celery task a row, which posts and writes the row."""

from __future__ import annotations

import os

import psycopg
import requests
from celery import Celery

BROKER = os.environ["REDIS_URL"].rsplit("/", 1)[0] + "/5"
# Messages are laid aside first; renamed, their list is the queue that the worker waits for.
ASIDE, QUEUE = "bench-aside", "bench-rows"
app = Celery("bench", broker=BROKER)
app.conf.task_ignore_result = True
app.conf.worker_prefetch_multiplier = 32
_held: dict[str, object] = {}


@app.task(name="bench.post")
def post(row: int, url: str) -> None:
    session = _held.setdefault("http", requests.Session())
    answer = session.post(f"{url}/journal", data=b'{"journal": "' + b"x" * 600 + b'"}', timeout=10)  # type: ignore[attr-defined]
    database = _held.get("database")
    if database is None:
        database = _held["database"] = psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True)
    database.execute(  # type: ignore[attr-defined]
        "UPDATE bench_task SET state = 'done', reference = %s WHERE id = %s", [answer.headers["Location"], row]
    )
