"""What nobody gets past with a temporary table: guards read the books, whatever the caller put in their way."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction

from tests.application_role import as_owner
from tests.ledger.test_guards import DRAFT, GOOD, NEXT, REFUSED, application, fresh, lines, make_ready, ready

__all__ = ["application", "ready"]

pytestmark = pytest.mark.usefixtures("committed")

# A temporary table is found before any of ours unless a function names pg_temp last. Each one below says what its
# guard would like to hear; then comes what the guard is there to refuse.
SHADOWED = {
    "lines that balance": (
        "ledger_journalline",
        DRAFT + lines((100, 100, 100), (-99, -100, -100)),
        "UPDATE pg_temp.ledger_journalline SET amount_minor = -100 WHERE amount_minor = -99",
        make_ready(NEXT),
        "journal_balanced",
    ),
    "an entry that is a draft": (
        "ledger_journalentry",
        "",
        "UPDATE pg_temp.ledger_journalentry SET state = 'drafted'",
        REFUSED["a line is added"][0],
        "journal_lines_frozen",
    ),
    "a series further on": (
        "ledger_journalseries",
        DRAFT + GOOD,
        "UPDATE pg_temp.ledger_journalseries SET last_number = 776",
        make_ready("US01-26-S0000777"),
        "out_of_number",
    ),
    "a period that is open": (
        "ledger_fiscalperiod",
        "UPDATE ledger_fiscalperiod SET state = 'soft_closed' WHERE id = %(period)s;"
        "UPDATE ledger_fiscalperiod SET state = 'closed' WHERE id = %(period)s;" + DRAFT + GOOD,
        "UPDATE pg_temp.ledger_fiscalperiod SET state = 'open'",
        make_ready(NEXT),
        "journal_period",
    ),
    "an account of its entity": (
        "ledger_account",
        DRAFT + GOOD.replace("%(account)s", "999999"),
        "UPDATE pg_temp.ledger_account SET id = 999999, entity_id = NULL",
        make_ready(NEXT),
        "journal_accounts",
    ),
    "a generation that is superseded": (
        "ledger_journalentry",
        "",
        "UPDATE pg_temp.ledger_journalentry SET state = 'superseded'",
        REFUSED["a second generation beside a living one"][0],
        "one_living_entry",
    ),
    "an original that is posted": (
        "ledger_journalentry",
        "",
        "UPDATE pg_temp.ledger_journalentry SET state = 'posted'",
        REFUSED["a mirror of what is not posted"][0],
        "one_living_mirror",
    ),
    "a rule that never booked": (
        "ledger_postingrule",
        "",
        "UPDATE pg_temp.ledger_postingrule SET used_at = NULL",
        REFUSED["the rule's line is edited"][0],
        "posting_rule_frozen",
    ),
    "an account without lines": (
        "ledger_journalline",
        "",
        "DELETE FROM pg_temp.ledger_journalline",
        REFUSED["the account gets another type"][0],
        "account_booked",
    ),
    "an entity without numbers": (
        "ledger_journalseries",
        "",
        "UPDATE pg_temp.ledger_journalseries SET last_number = 0",
        REFUSED["the entity changes its currency"][0],
        "entity_booked",
    ),
    "a period without entries": (
        "ledger_journalentry",
        "",
        "DELETE FROM pg_temp.ledger_journalentry",
        REFUSED["the period is moved"][0],
        "period_booked",
    ),
}


@pytest.fixture
def temporary(ready: dict[str, Any], django_db_blocker: Any) -> Iterator[None]:
    """The application role may make temporary tables, as on a server where the owner could not forbid it."""
    said = "TEMPORARY ON DATABASE {} {} {}".format
    with django_db_blocker.unblock(), as_owner(), connection.cursor() as cursor:
        database = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute("GRANT " + said(database, "TO", settings.DATABASE_APP_ROLE))
        yield
        cursor.execute("REVOKE " + said(database, "FROM", settings.DATABASE_APP_ROLE))


def shadow(application: psycopg.Connection[Any], table: str) -> None:
    application.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM public.{table}")
    application.execute(f"GRANT ALL ON pg_temp.{table} TO PUBLIC")


@pytest.mark.parametrize("what", SHADOWED)
def test_no_table_stands_before_a_guard(
    temporary: None, application: psycopg.Connection[Any], ready: dict[str, Any], what: str
) -> None:
    table, first, lie, then, constraint = SHADOWED[what]
    given, client = ready | fresh(), psycopg.ClientCursor(application)
    if first:
        client.execute(first, given)
    shadow(application, table)
    client.execute(lie)
    # What is written to is the table itself; only what the guard reads may be the shadow.
    for verb in ("UPDATE", "INSERT INTO", "FROM"):
        then = then.replace(f"{verb} ledger_", f"{verb} public.ledger_")
    with pytest.raises(psycopg.IntegrityError) as refused:
        client.execute(then, given)
    assert (refused.value.diag.constraint_name or "").endswith(constraint), refused.value


def test_no_table_takes_the_transitions(
    temporary: None, application: psycopg.Connection[Any], ready: dict[str, Any]
) -> None:
    """What a guard writes reaches the real table: neither lost, nor the owner's hand in a trigger of one's own."""
    shadow(application, "q2c_transition")
    application.execute("UPDATE ledger_journalentry SET state = 'posting' WHERE id = %(id)s", ready)
    [moves] = application.execute(
        "SELECT count(*) FROM public.q2c_transition WHERE record_id = %(id)s AND target = 'posting'", ready
    ).fetchall()
    assert moves == (1,)


@pytest.mark.parametrize("table", ["ledger_journalline", "ledger_journalentry", "q2c_transition"])
def test_no_catalogue_of_ones_own_makes_one_the_owner(
    temporary: None, application: psycopg.Connection[Any], ready: dict[str, Any], table: str
) -> None:
    application.execute("CREATE TEMP TABLE pg_class (oid oid, relowner oid)")
    application.execute("GRANT ALL ON pg_temp.pg_class TO PUBLIC")
    application.execute(
        "INSERT INTO pg_temp.pg_class SELECT c.oid, r.oid FROM pg_catalog.pg_class c, pg_catalog.pg_roles r"
        " WHERE r.rolname = current_user"
    )
    application.execute("SET q2c.maintenance = 'on'")
    with pytest.raises((psycopg.IntegrityError, psycopg.errors.InsufficientPrivilege)):
        application.execute(f"DELETE FROM public.{table}")


def test_every_function_of_ours_looks_past_temporary_tables(ready: dict[str, Any], django_db_blocker: Any) -> None:
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole"
            " AND 'search_path=pg_catalog, public, pg_temp' <> ALL (coalesce(proconfig, '{}'))"
        )
        assert cursor.fetchall() == []
        cursor.execute("SELECT count(*) FROM pg_proc WHERE proname ~ '^(ledger|q2c|exceptions)_'")
        assert cursor.fetchone()[0] > 20


def test_a_database_of_before_catches_up(ready: dict[str, Any], django_db_blocker: Any) -> None:
    caught_up = import_module("q2c.migrations.0016_guards_caught_up").CAUGHT_UP
    configured = "SELECT proconfig FROM pg_proc WHERE proname = 'ledger_refuse_rewrite'"
    trigger = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'ledger_account_same'"
    with django_db_blocker.unblock(), as_owner(), transaction.atomic(), connection.cursor() as cursor:
        new = (cursor.execute(configured).fetchone(), cursor.execute(trigger).fetchone())
        cursor.execute("ALTER FUNCTION ledger_refuse_rewrite() RESET search_path")
        cursor.execute("CREATE OR REPLACE TRIGGER ledger_account_same BEFORE UPDATE OF id ON ledger_account"
                       " FOR EACH ROW EXECUTE FUNCTION ledger_guard_account()")  # fmt: skip
        cursor.execute(caught_up)
        assert (cursor.execute(configured).fetchone(), cursor.execute(trigger).fetchone()) == new
        assert "code" in new[1][0]
        transaction.set_rollback(True)


def test_the_application_makes_no_temporary_table(application: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="temporary"):
        application.execute("CREATE TEMP TABLE ledger_journalline (id int)")


def test_a_trigger_of_ones_own_does_not_move_the_series(
    temporary: None, application: psycopg.Connection[Any], ready: dict[str, Any]
) -> None:
    """One level deep, but not as the owner."""
    application.execute(
        "CREATE TEMP TABLE lever (n int); CREATE FUNCTION pg_temp.pull() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN UPDATE public.ledger_journalseries SET last_number = last_number + 1; RETURN NEW; END';"
        "CREATE TRIGGER pull BEFORE INSERT ON lever FOR EACH ROW EXECUTE FUNCTION pg_temp.pull()"
    )
    with pytest.raises(psycopg.IntegrityError, match="counted by the entries alone"):
        application.execute("INSERT INTO lever VALUES (1)")
