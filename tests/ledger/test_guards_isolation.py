"""What nobody gets past with a snapshot: a guard that waited for others sees what they committed, or refuses."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from psycopg import IsolationLevel

from tests.ledger.conftest import Connect
from tests.ledger.test_guards import DRAFT, GOOD, NEXT, fresh, lines, make_ready, ready

__all__ = ["ready"]

pytestmark = pytest.mark.usefixtures("committed")

# Of each guard: its table, its name, and which verbs it hears. Constraint triggers of foreign keys are no guards.
GUARDS = """
SELECT c.relname, t.tgname, t.tgtype & 4 > 0, t.tgtype & 8 > 0, t.tgtype & 16 > 0
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace AND t.tgname NOT LIKE '%\\_read\\_committed'
"""
# By hand nobody has a right to write there.
OURS_ALONE = {"q2c_transition"}
SNAPSHOTS = (IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE)


def verbs(a: psycopg.Connection[Any], guard: tuple[Any, ...]) -> dict[str, str]:
    """A statement for each verb that a guard hears; each touches no row, as guards are asked once per statement."""
    table, _, inserts, deletes, updates = guard
    [(column,)] = a.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attidentity <> 'a'"
        " AND attgenerated = '' AND NOT attisdropped ORDER BY attnum LIMIT 1",
        [table],
    ).fetchall()
    a.commit()
    said = {
        "INSERT": inserts and f"INSERT INTO {table} ({column}) SELECT {column} FROM {table} WHERE false",
        "DELETE": deletes and f"DELETE FROM {table} WHERE false",
        "UPDATE": updates and f"UPDATE {table} SET {column} = {column} WHERE false",
    }
    return {verb: sql for verb, sql in said.items() if sql}


def test_every_guard_refuses_a_snapshot(as_application: Connect, ready: dict[str, Any]) -> None:
    """All there are in the database, so the next one, too."""
    a = as_application()
    guards = a.execute(GUARDS).fetchall()
    assert {"ledger_journalentry_updated", "ledger_journalline_inserted", "q2c_orderline_stays_added"} <= {
        name for _, name, *_ in guards
    }
    passed = []
    for guard in guards:
        if guard[0] in OURS_ALONE:
            continue
        for isolation in SNAPSHOTS:
            for verb, sql in verbs(a, guard).items():
                a.isolation_level = isolation
                try:
                    a.execute(sql)  # type: ignore[call-overload]
                    passed.append((guard[1], verb, isolation.name))
                except psycopg.Error as refused:
                    # What is refused to everybody needs no snapshot for that.
                    assert refused.diag.constraint_name in ("read_committed", "append_only"), (guard, refused)
                finally:
                    a.rollback()
                    a.isolation_level = None
    assert passed == []


def test_no_line_comes_after_a_snapshot(as_application: Connect, ready: dict[str, Any]) -> None:
    a, b = as_application(), as_application()
    given = ready | fresh()
    psycopg.ClientCursor(a).execute(DRAFT + GOOD, given)
    a.commit()
    b.isolation_level = IsolationLevel.REPEATABLE_READ
    b.execute("SELECT FROM ledger_journalline")
    psycopg.ClientCursor(a).execute(lines((7, 7, 7)).replace("(%(new)s, 1,", "(%(new)s, 9,"), given)
    a.commit()
    with pytest.raises(psycopg.errors.SerializationFailure, match=r"READ COMMITTED only: .* is REPEATABLE READ"):
        psycopg.ClientCursor(b).execute(make_ready(NEXT), given)
    b.rollback()
    b.isolation_level = None
    with pytest.raises(psycopg.IntegrityError, match="does not balance"):
        psycopg.ClientCursor(b).execute(make_ready(NEXT), given)


def test_ours_say_their_isolation(ready: dict[str, Any], django_db_blocker: Any) -> None:
    """Whatever the server, the database or the role is set to."""
    with django_db_blocker.unblock():
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_isolation = 'serializable'")
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SHOW transaction_isolation")
                assert cursor.fetchone() == ("read committed",)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET default_transaction_isolation")
