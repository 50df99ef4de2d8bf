"""Tests have the rights that web and workers have: of the role that owns nothing.

What a test makes and what it asks for go by Django's connections, each of which takes the application's role as it is
made, threads' too. What only the owner may do stands in `as_owner()`, where the test says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from django.db.backends.signals import connection_created


def _become(role: str, of: Any = connection) -> None:
    # Beside Django's cursor, so that tests that count queries count none of these. In a transaction that has failed,
    # its end takes the role back.
    with suppress(psycopg.errors.InFailedSqlTransaction):
        of.connection.execute(f"SET ROLE {role}")


def _take(connection: Any, **_: Any) -> None:
    _become(connection.ops.quote_name(settings.DATABASE_APP_ROLE), connection)


def _is_open() -> bool:
    return connection.connection is not None and not connection.connection.closed


@contextmanager
def as_application() -> Iterator[None]:
    """Django's connections, those that are open and those that will be made."""
    connection_created.connect(_take)
    if _is_open():
        _take(connection)
    try:
        yield
    finally:
        connection_created.disconnect(_take)
        if _is_open():
            _become("NONE")


@contextmanager
def as_owner() -> Iterator[None]:
    """The owner of the tables, on the connection that the test has."""
    connection.ensure_connection()
    role = connection.connection.execute("SELECT current_user").fetchone()[0]
    _become("NONE")
    try:
        yield
    finally:
        if _is_open():
            _become(connection.ops.quote_name(role))
