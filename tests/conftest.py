"""Tests that commit (transaction=True) leave the database as migrate made it: tables here cannot be flushed.

Append-only tables refuse DELETE and TRUNCATE to everybody but their owner in a maintenance transaction; roles, policies and teams
stay, since migrate put them there, and are made again what they were where a test changed them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import Model
from django.test import TransactionTestCase
from django.test.utils import override_settings, setup_databases, teardown_databases

from exceptions.models import Holiday, Policy, Team
from q2c.connectors import registry
from tests.application_role import as_application, as_owner
from tests.told_once import tells

# What migrate writes.
KEPT = frozenset(
    {
        "django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions",
        "exceptions_policy", "exceptions_team", "exceptions_holiday",
    }
)  # fmt: skip


# Of these, what tests change: a policy left generous would let a later test wait where it must fail.
RESTORED = (Team, Policy, Holiday)
# Emptied with the people who are named there, and written again.
HISTORIES = tuple(model.history.model for model in RESTORED)
# Keys are counted from one again.
RESTART = """
    SELECT setval(d.objid, s.seqstart, false)
    FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid JOIN pg_class t ON t.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND t.relname = ANY(%s)
"""
_as_migrated: dict[type[Model], list[Any]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """File by file as they come, and in each those last that read a story which is told once."""
    files = {path: at for at, path in reversed([*enumerate(item.path for item in items)])}
    items.sort(key=lambda item: (files[item.path], tells(item)))


def _restore() -> None:
    for model in RESTORED:
        rows: list[Any] = list(model._default_manager.order_by("pk").values())
        if rows != _as_migrated.setdefault(model, rows):
            model._default_manager.exclude(pk__in=[row[model._meta.pk.attname] for row in _as_migrated[model]]).delete()
            for row in _as_migrated[model]:
                model(**row).save_base(raw=True)
    with as_owner(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL q2c.maintenance = 'on'")
        for model in HISTORIES:
            rows = list(model.objects.order_by("pk").values())
            if rows != _as_migrated.setdefault(model, rows):
                cursor.execute(f"DELETE FROM {model._meta.db_table}")
                model.objects.bulk_create(model(**row) for row in _as_migrated[model])
                last = "SELECT setval(pg_get_serial_sequence(%s, 'history_id'), max(history_id)) FROM "
                cursor.execute(last + model._meta.db_table, [model._meta.db_table])


def emptied() -> None:
    """Every table but those of KEPT, as the owner. Few rows are deleted in a tenth of the time that TRUNCATE takes."""
    with as_owner(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL q2c.maintenance = 'on'")
        names = [name for name in connection.introspection.table_names(cursor) if name not in KEPT]
        # What is named by others goes after them; what counts others is written once more as they go.
        for _ in range(3):
            for name in _filled(cursor, names):
                with suppress(DatabaseError), transaction.atomic():
                    cursor.execute(f"DELETE FROM {name}")
        if filled := _filled(cursor, names):
            cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
        cursor.execute(RESTART, [names])


def _filled(cursor: Any, names: list[str]) -> list[str]:
    """The flow's tables first."""
    asked = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in sorted(names)[::-1])
    return [row[0] for row in cursor.execute(asked).fetchall()]


def as_migrated() -> None:
    """The database as migrate made it: what tests committed is gone, their sums and tallies with it."""
    emptied()
    _restore()


def _teardown(self: Any) -> None:
    as_migrated()
    registry.close_all()
    cache.clear()


@pytest.fixture(autouse=True, scope="session")
def _flushing() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", _teardown)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def _quick_passwords() -> Iterator[None]:
    with override_settings(PASSWORD_HASHERS=["tests.quick_passwords.Quick"]):
        yield


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_blocker: Any,
    django_db_keepdb: bool,
    django_db_createdb: bool,
    django_db_modify_db_settings: None,
) -> Iterator[None]:
    """The test database, for whoever asks. pytest-django's own makes none when no test chosen bears its mark, as those
    with committed books do not: they could not be run alone."""
    with django_db_blocker.unblock():
        made = setup_databases(
            verbosity=0, interactive=False, aliases={"default"}, keepdb=django_db_keepdb and not django_db_createdb
        )
        _restore()
    yield
    if not django_db_keepdb:
        with django_db_blocker.unblock():
            _wait_for_others()
            teardown_databases(made, verbosity=0)


def _wait_for_others(seconds: float = 20) -> None:
    """A database is dropped only alone, and the session of a process that has just ended takes a moment to end too."""
    deadline = time.monotonic() + seconds
    others = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    """
    with connection.cursor() as cursor:
        while cursor.execute(others).fetchone()[0] and time.monotonic() < deadline:
            time.sleep(0.1)
    connection.close()


@pytest.fixture(autouse=True)
def _application_role() -> Iterator[None]:
    with as_application():
        yield


@pytest.fixture
def closing_connections() -> Iterator[None]:
    """For tests whose threads open connections of their own."""
    yield
    connections.close_all()
