"""The books that the ledger's tests write in: rolled back after each test, or committed for a module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from ledger.models import LegalEntity
from tests.conftest import as_migrated
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
        as_migrated()
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
