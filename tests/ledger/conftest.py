"""The books that the ledger's tests write in: rolled back after each test, or committed for a module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction

from ledger.models import LegalEntity
from tests.ledger import makers
from tests.meeting import Connect, connected


@pytest.fixture
def entities(db: None) -> dict[str, LegalEntity]:
    return makers.entities()


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, LegalEntity]]:
    """Books that other connections see; emptied as the owner when the module is done."""
    with django_db_blocker.unblock():
        found = makers.entities()
        yield found
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL q2c.maintenance = 'on'")
            tables = [t for t in connection.introspection.table_names(cursor) if t.startswith("ledger_")]
            cursor.execute(f"TRUNCATE {', '.join(tables)}, q2c_transition RESTART IDENTITY CASCADE")
        connection.close()


@pytest.fixture
def as_application(committed: object) -> Iterator[Connect]:
    """Connections of the role that web and workers use, beside Django's own."""
    opened: list[psycopg.Connection[Any]] = []

    def connect() -> psycopg.Connection[Any]:
        made = connected()
        assert made.info.user == settings.DATABASE_APP_ROLE
        opened.append(made)
        return made

    yield connect
    for one in opened:
        one.close()
