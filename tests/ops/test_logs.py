"""Each line is one JSON object with the correlation id of what it is about: in web, workers, schedule and gunicorn."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import structlog

from q2c import correlation, logs

ROOT = Path(__file__).parents[2]
ID = "0199c0de-0000-7000-8000-000000000001"


@pytest.fixture
def written():
    """Lines written through the project's own logging, parsed."""
    wanted = logs.structlog_settings("INFO", as_json=True)
    stream = io.StringIO()
    wanted["handlers"]["stderr"]["stream"] = stream
    structlog.contextvars.clear_contextvars()
    root = logging.getLogger()
    before = root.handlers[:]
    logging.config.dictConfig({**wanted, "loggers": {}})
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers = before


def test_a_line_of_the_library_and_one_of_ours(written):
    with correlation.bound(ID, step="s-1"):
        logging.getLogger("q2c.engine").warning("swept %d", 3, extra={"lost": 2})
        structlog.get_logger("q2c").warning("breaker open", connection="erp-us")
    first, second = written()
    assert first["event"] == "swept 3"
    assert (first["correlation_id"], first["step"], first["lost"]) == (ID, "s-1", 2)
    assert (first["level"], first["logger"]) == ("warning", "q2c.engine")
    assert (second["correlation_id"], second["connection"]) == (ID, "erp-us")


def test_a_traceback_stays_in_its_line(written):
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("q2c").exception("failed")
    (line,) = written()
    assert "ValueError: two\nlines" in line["exception"]


def test_every_line_has_the_field(written):
    logging.getLogger("q2c").warning("at start")
    assert written()[0]["correlation_id"] == ""


@pytest.mark.django_db
def test_a_request_that_fails_logs_under_its_id(client, written):
    client.get("/nowhere", headers={"X-Correlation-Id": ID})
    lines = [line for line in written() if line["logger"] == "django.request"]
    assert [line["correlation_id"] for line in lines] == [ID]


def test_ids_of_callers_are_taken_over_or_made():
    assert str(correlation.of_request({"X-Correlation-Id": ID})) == ID
    parent = f"00-{uuid.UUID(ID).hex}-00f067aa0ba902b7-01"
    assert str(correlation.of_request({"traceparent": parent})) == ID
    assert correlation.of_request({"X-Correlation-Id": "'; DROP TABLE"}).version == 7


def test_gunicorns_own_lines_are_structured():
    command = ("-m", "gunicorn", "-c", "python:q2c.serving", "--print-config", "q2c.wsgi:application")
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "logconfig_dict" in done.stdout and "structlog" in done.stdout
