"""A Celery without tasks."""

import os

from celery import Celery

app = Celery("q2c", broker=os.environ["REDIS_URL"])
app.conf.broker_connection_retry_on_startup = True
