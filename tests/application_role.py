"""Requests as production answers them: by the role that owns nothing, inside the transaction a test began as the owner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from django.test import Client


@contextmanager
def as_application() -> Iterator[None]:
    connection.ensure_connection()
    # Beside Django's cursor, so that tests that count queries count none of these.
    own: Any = connection.connection
    own.execute(f"SET ROLE {connection.ops.quote_name(settings.DATABASE_APP_ROLE)}")
    try:
        yield
    finally:
        # In a transaction that has failed its end takes the role back.
        with suppress(psycopg.errors.InFailedSqlTransaction):
            own.execute("RESET ROLE")


class ApplicationClient(Client):
    """Django's own of tests, with the rights to the database that web and workers have."""

    def request(self, **request: Any) -> Any:
        with as_application():
            return super().request(**request)
