"""One statement for many rows: its parameters are arrays, sent in binary.

Django's own cursor writes parameters into the statement as text, and quoting arrays of documents costs more than
storing them.
"""

from __future__ import annotations

from collections.abc import Sequence
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
