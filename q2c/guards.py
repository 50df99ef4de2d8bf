"""What the database refuses whoever asks, made of what the models declare.

    edges        the legal moves of every record: its transition methods (q2c/states.py)
    append_only  rows are added and nothing else; every history of simple-history, too
    stays        columns that no longer change, from a state on
    added_until  (parent, states): rows are added while their parent is in one of these states, and never changed
    reopening    a period that is not open is opened by an approval of two people, and by each approval once
    taking up    a step that was given up is taken up again in the same way
    isolation    every table with a guard is written in READ COMMITTED alone

Triggers, not grants: they say what is wrong, and hold for every role but the owner in a maintenance transaction.
`install()` runs after every migrate. `lift()` runs before one that has something to do: no column changes its type
under a trigger that names it, and what a migration corrects may be frozen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from simple_history.models import HistoricalChanges

from q2c.states import Stays, guard_sql, records

# Tests reset by it, retention drops partitions; never in a function that runs as the owner whoever calls it.
_MAINTENANCE = """current_setting('q2c.maintenance', true) = 'on'
     AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)"""

_FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION q2c_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF {_MAINTENANCE} THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'check_violation', CONSTRAINT = 'append_only';
END $$;

-- Under a snapshot, a guard that waited for others would not see what they committed. Serializable is no better beside
-- those who are not. Said as what passes by itself: a server that is set to it for a while costs nobody a case.
CREATE OR REPLACE FUNCTION q2c_refuse_snapshot() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% is written in READ COMMITTED only: this transaction is %',
      TG_TABLE_NAME, upper(current_setting('transaction_isolation'))
    USING ERRCODE = 'serialization_failure', CONSTRAINT = 'read_committed',
          HINT = 'Begin it anew with BEGIN ISOLATION LEVEL READ COMMITTED.';
END $$;

-- Called where something that stays was changed; its argument is what to do instead.
CREATE OR REPLACE FUNCTION q2c_refuse_change() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE changed text;
BEGIN
  IF {_MAINTENANCE} THEN
    RETURN NEW;
  END IF;
  SELECT string_agg(o.key, ', ') INTO changed
    FROM jsonb_each(to_jsonb(OLD)) o JOIN jsonb_each(to_jsonb(NEW)) n USING (key)
    WHERE o.key <> 'state' AND o.value IS DISTINCT FROM n.value;
  RAISE EXCEPTION '% % is % and stays as it is (%): %',
      TG_TABLE_NAME, OLD.id, replace(OLD.state, '_', ' '), changed, TG_ARGV[0]
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_stays';
END $$;

-- A version forgets who made it with the person alone, who is gone when the transaction ends.
CREATE OR REPLACE FUNCTION q2c_keep_author() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF {_MAINTENANCE} THEN
    RETURN NULL;
  END IF;
  IF NEW.history_user_id IS NOT NULL OR EXISTS (SELECT FROM auth_user WHERE id = OLD.history_user_id) THEN
    RAISE EXCEPTION '% is append-only: who made a version stays', TG_TABLE_NAME
      USING ERRCODE = 'check_violation', CONSTRAINT = 'append_only';
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION q2c_guard_decision() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'approval %: nobody decides what they asked for, or what may be theirs (not_by)', OLD.id
    USING ERRCODE = 'check_violation', CONSTRAINT = 'approval_by_another_person';
END $$;

-- What granted it came after the period was closed last. Counted by the record of moves, which nobody writes by hand.
CREATE OR REPLACE FUNCTION q2c_guard_reopening() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE told text; closed bigint;
BEGIN
  IF {_MAINTENANCE} THEN
    RETURN NEW;
  END IF;
  SELECT e.code || ':' || OLD.subledger || ':' || OLD.name INTO told
    FROM ledger_legalentity e WHERE e.id = OLD.entity_id;
  SELECT max(t.id) INTO closed FROM q2c_transition t
    WHERE t.record_id = OLD.id AND t.machine = 'ledger_fiscalperiod' AND t.source = 'open';
  IF NOT EXISTS (
    SELECT FROM exceptions_approval a JOIN q2c_transition t ON t.record_id = a.id AND t.target = 'approved'
    WHERE a.subject_type = 'fiscal_period' AND a.subject_id = told AND a.action = 'reopen_period'
      AND a.state = 'approved' AND a.requested_by_id <> a.decided_by_id AND t.id > coalesce(closed, 0)) THEN
    RAISE EXCEPTION 'period % is %: ask to reopen it; a second person who approves opens it, once',
        told, replace(OLD.state, '_', ' ')
      USING ERRCODE = 'check_violation', CONSTRAINT = 'period_reopened_by_two';
  END IF;
  RETURN NEW;
END $$;

-- What was given up stays so, but for what two people agreed since then.
CREATE OR REPLACE FUNCTION q2c_guard_taking_up() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE ended bigint;
BEGIN
  IF {_MAINTENANCE} THEN
    RETURN NEW;
  END IF;
  SELECT max(t.id) INTO ended FROM q2c_transition t
    WHERE t.record_id = OLD.id AND t.machine = 'q2c_step' AND t.target = 'abandoned';
  IF NOT EXISTS (
    SELECT FROM exceptions_case c JOIN exceptions_approval a ON a.case_id = c.id
    JOIN q2c_transition t ON t.record_id = a.id AND t.target = 'approved'
    WHERE c.step_id = OLD.id AND a.action = 'post_after_all' AND a.state = 'approved'
      AND a.requested_by_id <> a.decided_by_id AND t.id > coalesce(ended, 0)) THEN
    RAISE EXCEPTION 'step % was given up: ask that it go on after all; a second person who approves takes it up, once',
        OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'step_taken_up_by_two';
  END IF;
  RETURN NEW;
END $$;

-- A voided invoice makes room for another one under its number: what is booked of it would stay beside that one's.
CREATE OR REPLACE FUNCTION q2c_guard_voiding() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE booked text;
BEGIN
  -- Who is booking it is waited for.
  PERFORM ledger_take_turn(true);
  SELECT e.number || ' is ' || e.state INTO booked FROM ledger_journalentry e
    WHERE e.event_id = OLD.event_id AND e.reverses_id IS NULL AND e.state <> 'superseded';
  IF FOUND THEN
    RAISE EXCEPTION 'invoice %: its journal %; only an invoice that the books hold nothing of is voided',
        OLD.number, booked
      USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_voided_unbooked';
  END IF;
  RETURN NEW;
END $$;

-- Nor is anything booked of it afterwards. Who is voiding it is waited for: the entry's own guard has taken its turn.
CREATE OR REPLACE FUNCTION q2c_guard_booking() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE bad record;
BEGIN
  SELECT n.id, i.number INTO bad FROM new_rows n JOIN q2c_invoice i ON i.event_id = n.event_id
    WHERE n.reverses_id IS NULL AND i.state = 'voided'
      -- A version of it may have been recorded by the same event again.
      AND NOT EXISTS (SELECT FROM q2c_invoice o WHERE o.event_id = n.event_id AND o.state <> 'voided');
  IF FOUND THEN
    RAISE EXCEPTION 'entry %: invoice % is voided, and nothing is booked of it', bad.id, bad.number
      USING ERRCODE = 'check_violation', CONSTRAINT = 'voided_invoice_unbooked';
  END IF;
  RETURN NULL;
END $$;
"""

# Neither ledger nor exceptions knows the other; the database sees both.
_ACROSS = """
CREATE OR REPLACE TRIGGER exceptions_approval_stays_decision
  BEFORE UPDATE OF decided_by_id, state ON exceptions_approval FOR EACH ROW
  WHEN (OLD.state IN ('requested') AND NEW.state IN ('approved', 'refused') AND (
    NEW.decided_by_id = NEW.requested_by_id OR NEW.data -> 'not_by' @> to_jsonb(NEW.decided_by_id)))
  EXECUTE FUNCTION q2c_guard_decision();
CREATE OR REPLACE TRIGGER ledger_fiscalperiod_stays_shut BEFORE UPDATE OF state ON ledger_fiscalperiod
  FOR EACH ROW WHEN (OLD.state <> 'open' AND NEW.state IN ('open')) EXECUTE FUNCTION q2c_guard_reopening();
CREATE OR REPLACE TRIGGER q2c_step_stays_given_up BEFORE UPDATE OF state ON q2c_step
  FOR EACH ROW WHEN (OLD.state IN ('abandoned') AND NEW.state IN ('failed')) EXECUTE FUNCTION q2c_guard_taking_up();
CREATE OR REPLACE TRIGGER q2c_invoice_stays_voided BEFORE UPDATE OF state ON q2c_invoice
  FOR EACH ROW WHEN (OLD.state <> 'voided' AND NEW.state IN ('voided')) EXECUTE FUNCTION q2c_guard_voiding();
CREATE OR REPLACE TRIGGER q2c_journalentry_unvoided AFTER INSERT ON ledger_journalentry
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION q2c_guard_booking();
"""

# Whatever stands on a table of ours, by whichever migration or declaration.
_GUARDED = """
SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
  AND p.proname ~ '^(ledger|exceptions|q2c)_' ORDER BY c.relname
"""

_ADDED = """
CREATE OR REPLACE FUNCTION {table}_stays_added() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE bad record;
BEGIN
  IF {maintenance} THEN
    RETURN NULL;
  END IF;
  -- Who decides the parent at this moment waits, or is waited for.
  PERFORM FROM {parent} p WHERE p.id IN (SELECT {column} FROM new_rows) ORDER BY p.id FOR SHARE;
  SELECT p.id, p.state INTO bad FROM (SELECT DISTINCT {column} AS id FROM new_rows) n JOIN {parent} p USING (id)
    WHERE p.state <> ALL ({states});
  IF FOUND THEN
    RAISE EXCEPTION '{parent} % is %: no {table} is added to it any more', bad.id, replace(bad.state, '_', ' ')
      USING ERRCODE = 'check_violation', CONSTRAINT = '{table}_stays';
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER {table}_stays_added AFTER INSERT ON {table}
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {table}_stays_added();
"""


def append_only_sql(table: str, *, operations: str = "UPDATE OR DELETE OR TRUNCATE") -> str:
    """The statement that makes a table append-only (or only undeletable) for everybody."""
    return (
        f"CREATE OR REPLACE TRIGGER {table}_append_only BEFORE {operations} ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION q2c_refuse_rewrite();"
    )


def history_sql(model: type[models.Model]) -> str:
    """Versions are only added to; their author is taken away with the person alone."""
    table = model._meta.db_table
    columns = [str(field.column) for field in model._meta.concrete_fields]
    if "history_user_id" not in columns:
        return append_only_sql(table)
    kept = ", ".join(_quoted(column) for column in columns if column != "history_user_id")
    return (
        append_only_sql(table, operations=f"DELETE OR TRUNCATE OR UPDATE OF {kept}")
        + f"DROP TRIGGER IF EXISTS {table}_stays_whose ON {table};"
        f"CREATE CONSTRAINT TRIGGER {table}_stays_whose AFTER UPDATE OF history_user_id ON {table} "
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        f"WHEN (OLD.history_user_id IS DISTINCT FROM NEW.history_user_id) EXECUTE FUNCTION q2c_keep_author();"
    )


def stays_sql(model: type[models.Model], position: int, stays: Stays) -> str:
    """One trigger: looked at only where such a column is written, and run only where it is another value then."""
    table = model._meta.db_table
    given = set(stays.only or stays.but)
    if unknown := given - {field.attname for field in model._meta.concrete_fields}:
        raise LookupError(f"{model.__name__} has no column {', '.join(sorted(unknown))}")
    kept = [f for f in model._meta.concrete_fields if not f.primary_key and (f.attname in given) is bool(stays.only)]
    # A json column knows no equality.
    compared = [_quoted(str(f.column)) + ("::text" if f.db_type(connection) == "json" else "") for f in kept]
    old, new = (", ".join(f"{row}.{column}" for column in compared) for row in ("OLD", "NEW"))
    since = ""
    if stays.once:
        since = f"OLD.state IN ({_texts(stays.once)}) AND "
    elif stays.until:
        since = f"OLD.state NOT IN ({_texts(stays.until)}) AND "
    return (
        f"CREATE OR REPLACE TRIGGER {table}_stays_{position} "
        f"BEFORE UPDATE OF {', '.join(_quoted(str(f.column)) for f in kept)} ON {table} FOR EACH ROW "
        f"WHEN ({since}({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION q2c_refuse_change({_texts((stays.why,))});"
    )


def added_sql(model: type[models.Model], parent: str, until: tuple[str, ...]) -> str:
    """Rows come while their parent is not decided yet; asked once per statement."""
    field: Any = model._meta.get_field(parent)
    return _ADDED.format(
        table=model._meta.db_table, column=_quoted(field.column), parent=field.related_model._meta.db_table,
        states=f"ARRAY[{_texts(until)}]::text[]", maintenance=_MAINTENANCE,
    )  # fmt: skip


def read_committed_sql(table: str) -> str:
    """Beside the guards of a table. The condition costs a statement nothing; the function has the words."""
    return (
        f"CREATE OR REPLACE TRIGGER {table}_read_committed BEFORE INSERT OR UPDATE OR DELETE ON {table} "
        f"FOR EACH STATEMENT WHEN (current_setting('transaction_isolation') <> 'read committed') "
        f"EXECUTE FUNCTION q2c_refuse_snapshot();"
    )


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _texts(values: tuple[str, ...]) -> str:
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def _statements() -> Iterator[str]:
    yield _FUNCTIONS
    for record in records():
        yield guard_sql(record)
        yield append_only_sql(record._meta.db_table, operations="DELETE OR TRUNCATE")
    for model in apps.get_models():
        if issubclass(model, HistoricalChanges):
            yield history_sql(model)
        elif getattr(model, "append_only", False):
            yield append_only_sql(model._meta.db_table)
        for position, stays in enumerate(getattr(model, "stays", ())):
            yield stays_sql(model, position, stays)
        if added := getattr(model, "added_until", None):
            yield append_only_sql(model._meta.db_table) + added_sql(model, *added)
    yield _ACROSS


def install(app_role: str) -> None:
    """Bring the database's guards up to the declarations and give the application role its rights.

    Runs after every migrate, as the owner. Idempotent.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        _lift(cursor)
        for statement in _statements():
            cursor.execute(statement)
        cursor.execute(_GUARDED)
        for (table,) in cursor.fetchall():
            cursor.execute(read_committed_sql(table))
        cursor.execute("SELECT current_user")
        if app_role and cursor.fetchone() != (app_role,):
            role = _quoted(app_role)
            cursor.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
            cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
            cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
            cursor.execute(f"REVOKE INSERT, UPDATE, DELETE ON q2c_transition, django_migrations FROM {role}")
            _without_temporary_tables(cursor, role)


def lift() -> None:
    """Take away what names columns, until install()."""
    with transaction.atomic(), connection.cursor() as cursor:
        _lift(cursor)


def _lift(cursor: Any) -> None:
    cursor.execute(
        "SELECT tgname, tgrelid::regclass::text FROM pg_trigger"
        " WHERE NOT tgisinternal AND (tgname LIKE '%\\_stays\\_%' OR tgname LIKE '%\\_historical%\\_append\\_only')"
    )
    for name, table in cursor.fetchall():
        cursor.execute(f"DROP TRIGGER {_quoted(name)} ON {table}")


def _without_temporary_tables(cursor: Any, role: str) -> None:
    """Nothing here makes temporary tables. Guards look past them; this is the second lock, where it is ours to turn."""
    cursor.execute(
        "SELECT datname FROM pg_database WHERE datname = current_database() AND pg_get_userbyid(datdba) = current_user"
    )
    if found := cursor.fetchone():
        cursor.execute(f"REVOKE TEMPORARY ON DATABASE {_quoted(found[0])} FROM PUBLIC, {role}")
