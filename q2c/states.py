"""Finite-state records: legal edges declared once, enforced twice, each move on record.

The declaration is the model's own @transition methods (django-fsm). q2c/guards.py feeds the
database from it after every migrate: one AFTER STATEMENT trigger per table refuses each edge
that no method declares, whoever writes, and appends one q2c_transition row per move.

    class Order(StateRecord):
        state = StateField(default="received")

        @transition(state, source="received", target="accepted")
        def accept(self): ...

A move by one person goes through the method and save(); a move of many rows goes through
`move()`, which takes its edges from the same methods.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django_fsm import FSMField

from q2c import clock, keys


class StateField(FSMField):
    """A protected state: only a transition method sets it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("protected", True)
        kwargs.setdefault("max_length", 24)
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Stays:
    """What the database keeps as it is, whoever writes: every column `but` these, or `only` these (as attributes).

    `once`: from then on that a record is in one of these states, or in any other than `until`; neither: always.
    `why` ends the sentence that refuses: what to do instead.
    """

    why: str
    once: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


class StateRecord(models.Model):
    """Base of every finite-state record: a time-ordered id, a state, a correlation id."""

    id = models.UUIDField(primary_key=True, default=keys.new_id, editable=False)
    correlation_id = models.UUIDField(default=keys.new_id, editable=False)

    # Column whose value is the transition row's "why" when nobody said one.
    why_column: str = ""
    stays: tuple[Stays, ...] = ()

    class Meta:
        abstract = True


def records() -> list[type[StateRecord]]:
    """Every finite-state model of the project."""
    return [model for model in apps.get_models() if issubclass(model, StateRecord)]


def _state_field(model: type[StateRecord]) -> Any:
    return model._meta.get_field("state")  # type: ignore[misc]


def edges(model: type[StateRecord]) -> frozenset[tuple[str, str]]:
    """The legal (source, target) pairs of a model, read off its transition methods."""
    field = _state_field(model)
    return frozenset((str(t.source), str(t.target)) for t in field.get_all_transitions(model))


def initial(model: type[StateRecord]) -> str:
    """The one state in which a record may be created."""
    return str(_state_field(model).default)


def states(model: type[StateRecord]) -> list[str]:
    """Every state of a model, the initial one first, then sorted."""
    found = {state for edge in edges(model) for state in edge} | {initial(model)}
    return [initial(model), *sorted(found - {initial(model)})]


def edge(model: type[StateRecord], name: str) -> tuple[list[str], str]:
    """(sources, target) of the transition method `name`, for statements that move many rows."""
    field = _state_field(model)
    found = [t for t in field.get_all_transitions(model) if t.method.__name__ == name]
    if not found:
        raise LookupError(f"{model.__name__} has no transition {name}")
    return sorted({str(t.source) for t in found}), str(found[0].target)


def move(model: type[StateRecord], name: str, ids: Sequence[uuid.UUID], **columns: Any) -> list[uuid.UUID]:
    """Apply one transition to many rows in one statement; rows in another state are left alone.

    `columns` are set with it. Returns the ids that moved.
    """
    if not ids:
        return []
    sources, target = edge(model, name)
    assignments = "".join(f", {connection.ops.quote_name(column)} = %s" for column in columns)
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET state = %s{assignments} WHERE id = ANY(%s) AND state = ANY(%s) RETURNING id",
            [target, *columns.values(), list(ids), sources],
        )
        return [row[0] for row in cursor.fetchall()]


@contextmanager
def acting(actor: str, why: str = "") -> Iterator[None]:
    """One transaction whose transition rows carry who and why. Transaction-local, so a pooler may sit between."""
    with transaction.atomic():
        say(actor, why)
        yield


def say(actor: str, why: str = "") -> None:
    """Set who and why for the moves of the current transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('q2c.actor', %s, true), set_config('q2c.why', %s, true),"
            " set_config('q2c.now', %s, true)",
            [actor, why, clock.now().isoformat()],
        )


@contextmanager
def on_behalf(actor: str, why: str = "") -> Iterator[None]:
    """Within a transaction: moves that somebody else asked for. Afterwards it is who and why it was before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('q2c.actor', true), ''), current_setting('q2c.why', true)")
        before = cursor.fetchone()
    say(actor, why)
    yield
    say(before[0], before[1] or "")


# SELECT … INTO stops at the first row by itself. A LIMIT would make the planner join the transition tables by nested
# loop: 18 ms for 500 rows instead of one, and quadratic.
_GUARD = """
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
-- Variables begin with said_: a record may have columns called who, reason or moment.
DECLARE bad record; said_by text; said_why text; said_at timestamptz;
BEGIN
  said_by := coalesce(nullif(current_setting('q2c.actor', true), ''), session_user);
  said_why := coalesce(current_setting('q2c.why', true), '');
  said_at := coalesce(nullif(current_setting('q2c.now', true), '')::timestamptz, clock_timestamp());
  IF TG_OP = 'INSERT' THEN
    SELECT n.id, n.state INTO bad FROM new_rows n WHERE n.state <> {initial};
    IF FOUND THEN
      RAISE EXCEPTION '{table} % may not be created in state %; it starts as %', bad.id, bad.state, {initial}
        USING ERRCODE = 'check_violation', CONSTRAINT = '{table}_legal_edges';
    END IF;
    INSERT INTO q2c_transition (machine, record_id, source, target, at, actor, why, correlation_id)
      SELECT '{table}', n.id, '', n.state, said_at, said_by, {why}, n.correlation_id FROM new_rows n;
  ELSE
    SELECT o.id INTO bad FROM old_rows o LEFT JOIN new_rows n USING (id) WHERE n.id IS NULL;
    IF FOUND THEN
      RAISE EXCEPTION '{table} %: the id of a record is never changed', bad.id
        USING ERRCODE = 'check_violation', CONSTRAINT = '{table}_legal_edges';
    END IF;
    SELECT n.id, o.state AS source, n.state AS target INTO bad
      FROM new_rows n JOIN old_rows o USING (id)
      WHERE n.state <> o.state AND (o.state || '>' || n.state) <> ALL ({edges});
    IF FOUND THEN
      RAISE EXCEPTION '{table} %: no transition leads from % to %', bad.id, bad.source, bad.target
        USING ERRCODE = 'check_violation', CONSTRAINT = '{table}_legal_edges';
    END IF;
    INSERT INTO q2c_transition (machine, record_id, source, target, at, actor, why, correlation_id)
      SELECT '{table}', n.id, o.state, n.state, said_at, said_by, {why}, n.correlation_id
      FROM new_rows n JOIN old_rows o USING (id) WHERE n.state <> o.state;
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER {table}_edges_insert AFTER INSERT ON {table}
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {function}();
CREATE OR REPLACE TRIGGER {table}_edges_update AFTER UPDATE ON {table}
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {function}();
"""


def guard_sql(model: type[StateRecord]) -> str:
    """The statement that installs a model's edges in the database."""
    table = model._meta.db_table
    legal = sorted(f"{source}>{target}" for source, target in edges(model))
    why = f"coalesce(nullif(said_why, ''), n.{model.why_column}, '')" if model.why_column else "said_why"
    quoted = ", ".join(f"'{pair}'" for pair in legal)
    return _GUARD.format(
        function=f"q2c_guard_{table}",
        table=table,
        initial=f"'{initial(model)}'",
        edges=f"ARRAY[{quoted}]::text[]",
        why=why,
    )
