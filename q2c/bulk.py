"""One statement for many rows: its parameters are arrays, sent in binary.

Django's own cursor writes parameters into the statement as text, and quoting arrays of documents costs more than
storing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from django.db import connection


def execute(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement in the current transaction; returns its rows, none where it gives none.

    Each %s is a parameter with a cast, such as %s::text[]. Nothing is prepared: a pooler may sit between.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement.replace("%s", "%b"), parameters, prepare=False)
        return cursor.fetchall() if cursor.description else []


_TURNS = """
SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(%s::text[]) AS name
ORDER BY hashtextextended(name, 0)
"""


def take_turns(names: Iterable[str]) -> None:
    """Whoever names the same thing waits until this transaction ends; taken in one order, nobody waits in a circle."""
    if wanted := sorted(set(names)):
        execute(_TURNS, [wanted])
