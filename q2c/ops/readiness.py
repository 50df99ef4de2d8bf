"""Whether work can be done now: database, tables, Redis, a worker per queue, the sweeper. Each says why not.

The database is asked on a connection of its own with a short time limit: a pool that is used up, or a server that
hangs, must not make the question hang.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from q2c import clock
from q2c.celery import QUEUES
from q2c.engine.sweep import SIGN_OF_LIFE

log = logging.getLogger(__name__)

LIMIT_S = 2
# A heartbeat comes every 10 s, a sweep every 3 s: four may be late before somebody is told.
WORKER_AGE_S_MAX = 45.0
SWEEPER_AGE_S_MAX = 30.0
_SEEN = "SELECT queue, seen_at FROM q2c_workerseen"
_migrated = False


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing the flow needs. `why` is empty when it is ready; it names no host and no secret."""

    name: str
    ready: bool
    why: str = ""


def checks(within_s: float = WORKER_AGE_S_MAX) -> list[Check]:
    """All of them, whatever the first ones say. Signs of life older than `within_s` do not count."""
    found = [_tried("database", _database), _tried("tables", _tables), _tried("redis", _redis)]
    try:
        seen = _seen()
    except Exception:
        seen = None
    found += [_alive(f"worker {queue}", queue, min(within_s, WORKER_AGE_S_MAX), seen) for queue in QUEUES]
    found.append(_alive("sweeper", SIGN_OF_LIFE, min(within_s, SWEEPER_AGE_S_MAX), seen))
    return found


def report(found: list[Check]) -> dict[str, Any]:
    """{"ready": bool, "checks": {name: {"ready": bool, "why": text}}}"""
    rows = {check.name: {k: v for k, v in asdict(check).items() if k != "name" and v != ""} for check in found}
    return {"ready": all(check.ready for check in found), "checks": rows}


def _tried(name: str, ask: Callable[[], str]) -> Check:
    try:
        why = ask()
    except Exception as error:
        log.warning("not ready", extra={"check": name}, exc_info=True)
        why = f"does not answer ({type(error).__name__})"
    return Check(name=name, ready=not why, why=why)


def _asked(sql: str) -> list[tuple[Any, ...]]:
    """Rows of one statement on a fresh connection to the database that Django uses."""
    parameters = {
        name: value
        for name, value in connection.get_connection_params().items()
        if name not in ("cursor_factory", "context", "prepare_threshold")
    }
    parameters |= {"connect_timeout": LIMIT_S, "options": f"-c statement_timeout={LIMIT_S * 1000}"}
    with psycopg.connect(**parameters, autocommit=True) as own:
        return own.execute(sql).fetchall()


def database_answers() -> bool:
    """Within LIMIT_S."""
    return _tried("database", _database).ready


def _database() -> str:
    _asked("SELECT 1")
    return ""


def _tables() -> str:
    """Whether every migration has run; once they have, it is not asked again."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            return f"{len(missing)} migrations have not run: manage.py migrate"
        _migrated = True
    return ""


def _redis() -> str:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=LIMIT_S, socket_timeout=LIMIT_S)
    try:
        client.ping()
    finally:
        client.close()
    return ""


def _seen() -> dict[str, dt.datetime]:
    return dict(_asked(_SEEN))


def ages_s() -> dict[str, float]:
    """Seconds since the last sign of life, by queue, and of the sweeper."""
    return {name: (clock.now() - at).total_seconds() for name, at in _seen().items()}


def _alive(name: str, who: str, age_s_max: float, seen: dict[str, dt.datetime] | None) -> Check:
    if seen is None:
        return Check(name=name, ready=False, why="not known without the database")
    if who not in seen:
        return Check(name=name, ready=False, why="never seen: is it started?")
    age_s = (clock.now() - seen[who]).total_seconds()
    # Written by a process whose clock stands elsewhere, it says nothing about now.
    if not -age_s_max <= age_s <= age_s_max:
        return Check(name=name, ready=False, why=f"last seen {age_s:.0f} s ago; {age_s_max:.0f} s is the limit")
    return Check(name=name, ready=True)
