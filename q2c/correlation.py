"""The correlation id of what is being done: on each log line, task, request and record."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.core.signals import request_finished, request_started
from django.http import HttpRequest, HttpResponse

from q2c import keys

HEADER = "X-Correlation-Id"
_PARENT = re.compile(r"^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")


@contextmanager
def bound(correlation_id: uuid.UUID | str, **more: str) -> Iterator[None]:
    """Log lines inside the block carry the id."""
    with structlog.contextvars.bound_contextvars(correlation_id=str(correlation_id), **more):
        yield


def of_request(headers: object) -> uuid.UUID:
    """The caller's id: X-Correlation-Id, else the trace id of `traceparent`, else a new one."""
    get = headers.get  # type: ignore[attr-defined]
    found = _PARENT.match(get("traceparent") or "")
    given = get(HEADER) or (found.group(1) if found else "")
    try:
        return uuid.UUID(given)
    except ValueError:
        return keys.new_id()


def _ended(**_: object) -> None:
    """The thread goes on to another request."""
    structlog.contextvars.clear_contextvars()


request_started.connect(_ended, dispatch_uid="q2c.correlation.started")
request_finished.connect(_ended, dispatch_uid="q2c.correlation.finished")


class Middleware:
    """Reads or makes the id, binds it, and answers with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.correlation_id = of_request(request.headers)  # type: ignore[attr-defined]
        # Not only inside this call: Django's own line about a refusal comes after it.
        structlog.contextvars.bind_contextvars(correlation_id=str(request.correlation_id))  # type: ignore[attr-defined]
        response = self.get_response(request)
        response[HEADER] = str(request.correlation_id)  # type: ignore[attr-defined]
        return response
