"""Open connectors for the call part, and keep what their calls left behind."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

from django.db import connection

from q2c import clock, correlation
from q2c.connectors import http, registry
from q2c.connectors.outcomes import Rejected, Unavailable, Unknown
from q2c.connectors.ports import ConnectionConfig
from q2c.engine.lease import Lease
from q2c.models import Connection
from q2c.reasons import Reason
from q2c.stages.verb import Work

log = logging.getLogger(__name__)

THREADS = 32
OVER = "its lease was over, another worker may have taken it"
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="call")


class Gates:
    """The connections of one batch, read once and only where it has a call; connectors open without the database."""

    def __init__(self) -> None:
        # By the machine's clock, which no story moves.
        self.began_s = http.machine_time_s()

    @cached_property
    def configs(self) -> dict[str, ConnectionConfig]:
        return {c.name: c.config() for c in Connection.objects.filter(active=True)}

    def ready(self) -> Gates:
        """Read the connections: before it goes to threads, which touch no database."""
        _ = self.configs
        return self

    def open(self, name: str) -> Any:
        if name not in self.configs:
            raise NoSuchConnection(name)
        return registry.open_connector(self.configs[name])

    def settle_s(self, name: str) -> float:
        """Seconds after which a write that left no trace was surely not done."""
        config = self.configs.get(name)
        return config.time_limit_s + config.settle_s if config else 0.0

    def job_limit_s(self, name: str) -> float:
        """Seconds that a platform may work on what it accepted."""
        config = self.configs.get(name)
        return config.job_limit_s if config else ConnectionConfig.job_limit_s


class NoSuchConnection(LookupError):
    """No active connection has this name."""


class InTransaction(RuntimeError):
    """A platform was about to be called while a transaction was open: its locks would last as long as the answer."""


def no_transaction() -> None:
    """Raises InTransaction; the one that a test wraps around itself does not count, as for Django's durable blocks."""
    if any(not block._from_testcase for block in connection.atomic_blocks):  # type: ignore[attr-defined]
        raise InTransaction("platforms are called with no transaction open")


def on_threads(works: list[Work], act: Callable[[Work], Any], lease: Lease) -> list[tuple[Any, list[Any]]]:
    """(result, attempts) per work, each on a thread with the step's correlation id, under its lease."""

    def run(work: Work) -> tuple[Any, list[Any]]:
        def held() -> bool:
            return lease.holds(work.step.id)

        if not held():
            # To ask about a job sends nothing.
            return (Unavailable if work.step.phase == "poll" else Unknown)(text=OVER), []
        about = correlation.bound(work.fact.correlation_id, step=str(work.step.id))
        mine = http.calling(work.fact.correlation_id, step_id=work.step.id, while_=held)
        with about, mine, http.recording() as attempts:
            return guarded(work, act), list(attempts)

    if works:
        no_transaction()
    if len(works) == 1:
        return [run(works[0])]
    return list(_pool.map(run, works))


def ahead(works: Sequence[Work], act: Callable[[Sequence[Work]], None]) -> None:
    """A reading for many works; what goes wrong in it is for the calls to meet."""
    no_transaction()
    try:
        with http.calling(works[0].fact.correlation_id):
            act(works)
    except NoSuchConnection:
        return
    except Exception:
        log.exception("reading ahead failed", extra={"stage": works[0].step.stage})


def guarded(work: Work, act: Callable[[Work], Any]) -> Any:
    """A connector that raises has a bug or no connection: a write that may have left is unknown, else it is refused."""
    try:
        return act(work)
    except NoSuchConnection as missing:
        return Unavailable(text=_not_there(missing))
    except Exception as error:
        log.exception("call failed", extra={"step": str(work.step.id), "stage": work.step.stage})
        text = f"{type(error).__name__}: {error}"
        if work.step.phase == "poll":
            # The job goes on, whatever our fault was: to send it anew would be a second one.
            return Rejected(reason=Reason.INTERNAL_ERROR, text=text, held=True)
        if work.step.sent_at is not None:
            return Unknown(text=text)
        return Rejected(reason=Reason.INTERNAL_ERROR, text=text)


def guarded_all(works: Sequence[Work], act: Callable[[Sequence[Work]], list[Any]]) -> list[Any]:
    """One reading question for many works; what goes wrong on the way is Unavailable for each of them."""
    try:
        return act(works)
    except NoSuchConnection as missing:
        return [Unavailable(text=_not_there(missing)) for _ in works]
    except Exception as error:
        log.exception("check failed", extra={"stage": works[0].step.stage})
        return [Unavailable(text=f"{type(error).__name__}: {error}") for _ in works]


def _not_there(missing: NoSuchConnection) -> str:
    """What is asked of a kind of platform of which none is set up has no name."""
    named = str(missing)
    return f"No active connection is called {named}" if named else "No active connection is set up for this"


_KEEP = """
COPY q2c_attempt (step_id, correlation_id, connection, at, method, url, request_headers, request_body, status,
                  response_headers, response_body, duration_ms, error) FROM STDIN
"""


def keep_attempts(rows: Iterable[tuple[Work, list[Any]]]) -> None:
    """Store the calls of a batch, redacted by connectors/http.py.

    By COPY: bodies are JSON, and each of their quotes would cost a replacement where parameters are written into SQL.
    """
    kept = [_row(work, attempt) for work, attempts in rows for attempt in attempts]
    if not kept:
        return
    with connection.cursor() as cursor, cursor.copy(_KEEP) as copy:
        for row in kept:
            copy.write_row(row)


def _row(work: Work, attempt: Any) -> tuple[Any, ...]:
    return (
        work.step.id, work.fact.correlation_id, attempt.connection or work.step.connection,
        clock.now() if clock.is_moved() else attempt.at, attempt.method, attempt.url,
        json.dumps(attempt.request_headers), attempt.request_body, attempt.status,
        json.dumps(attempt.response_headers), attempt.response_body, attempt.duration_ms, attempt.error,
    )  # fmt: skip
