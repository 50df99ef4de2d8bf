"""A company costs a quarter of a second to make and is wanted by a thousand tests: it is made once, and its rows are kept.

@kept_rows
def company(...) -> dict[str, LegalEntity]

The first call of a process makes it as ever, and remembers which rows came about, in every table. Later calls with the
same arguments at the same time write these rows back, a statement per table, with the keys that they had.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, connection, transaction

from ledger.models import LegalEntity
from q2c import clock
from tests.application_role import as_owner

Entities = dict[str, LegalEntity]
# The database writes it itself.
BY_TRIGGER = ("q2c_transition",)
# table → its new rows as a JSON array
Rows = dict[str, str]
_kept: dict[Any, Rows] = {}


def kept_rows(make: Callable[..., Entities]) -> Callable[..., Entities]:
    @functools.wraps(make)
    def made(*args: Any) -> Entities:
        key = (make.__module__, args, _time())
        if key not in _kept:
            before = _everything()
            found = make(*args)
            _kept[key] = _since(before)
            return found
        try:
            with transaction.atomic():
                _write(_kept[key])
        except IntegrityError:
            # The test has made something before, with a key that one of these rows had.
            return make(*args)
        return {entity.code: entity for entity in LegalEntity.objects.select_related("parent")}

    return made


def _time() -> dt.datetime | None:
    """Histories tell when they were made: to whoever runs on the machine's clock, any time of this run is as good."""
    return clock.now() if clock.is_moved() else None


def _tables() -> list[str]:
    with connection.cursor() as cursor:
        return sorted(name for name in connection.introspection.table_names(cursor) if name != "django_migrations")


def _everything() -> dict[str, list[str]]:
    """table → each row as text."""
    with as_owner(), connection.cursor() as cursor:
        return {
            name: cursor.execute(f"SELECT coalesce(array_agg(t::text), '{{}}') FROM {name} t").fetchone()[0]
            for name in _tables()
        }


def _since(before: dict[str, list[str]]) -> Rows:
    found: Rows = {}
    with as_owner(), connection.cursor() as cursor:
        for name, rows in before.items():
            new = f"SELECT json_agg(t)::text FROM {name} t WHERE t::text <> ALL(%s)"
            (text,) = cursor.execute(new, [rows]).fetchone()
            if text and name not in BY_TRIGGER:
                found[name] = text
    return found


def _write(kept: Rows) -> None:
    with as_owner(), connection.cursor() as cursor:
        for name, rows in kept.items():
            cursor.execute(f"INSERT INTO {name} SELECT * FROM json_populate_recordset(NULL::{name}, %s)", [rows])
        for sequence, name, column in _sequences(frozenset(kept)):
            cursor.execute(
                f"SELECT setval(%s, greatest((SELECT last_value FROM {sequence}), (SELECT max({column}) FROM {name})))",
                [sequence],
            )


@functools.cache
def _sequences(tables: frozenset[str]) -> list[tuple[str, str, str]]:
    """(sequence, table, column) of the keys that are counted."""
    asked = """
        SELECT pg_get_serial_sequence(table_name, column_name), table_name, column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name = ANY(%s) AND (is_identity = 'YES' OR column_default LIKE 'nextval%%')
    """
    with connection.cursor() as cursor:
        return list(cursor.execute(asked, [list(tables)]).fetchall())
