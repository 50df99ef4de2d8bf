"""Every illegal move of every finite-state record is refused by the database, whoever tries and however."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, ProgrammingError, connection, models, transaction
from django_fsm import ConcurrentTransition

from q2c import keys, states
from q2c.models import Transition
from tests.application_role import as_owner
from tests.engine.records import columns, made
from tests.past_guards import past_guards

pytestmark = pytest.mark.django_db

RECORDS = {model.__name__: model for model in states.records()}
ILLEGAL = {
    (name, source, target)
    for name, model in RECORDS.items()
    for source, target in itertools.product(states.states(model), repeat=2)
    if source != target and (source, target) not in states.edges(model)
}
# Whether a draft may become ready hangs on its lines; tests/ledger/test_guards.py moves entries.
LEGAL = {
    (name, source, target)
    for name, model in RECORDS.items()
    for source, target in sorted(states.edges(model))
    if name != "JournalEntry" and source != target
}


REFUSED = (DatabaseError, ConcurrentTransition)
NOW = dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC)


def goes_with(model: Any, state: str) -> dict[str, Any]:
    """What other columns must say in a state."""
    if model.__name__ == "Case":
        ended = {"resolved_at": NOW, "resolution": "fixed_by_replay"}
        return {"resolved": ended, "closed_without_fix": ended, "snoozed": {"snoozed_at": NOW}}.get(state, {})
    if model.__name__ == "Approval" and state in ("approved", "refused"):
        who, _ = get_user_model().objects.get_or_create(username="second")
        return {"decided_by_id": who.pk, "decided_at": NOW}
    if model.__name__ == "JournalEntry":
        return {"number": None if state == "drafted" else "SAL-26-000001"}
    return {}


def moved_by_sql(record: Any, target: str) -> None:
    values = {"state": target, **goes_with(type(record), target)}
    assignments = ", ".join(f"{column} = %s" for column in values)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {record._meta.db_table} SET {assignments} WHERE id = %s", [*values.values(), record.pk])


def standing(model: Any, state: str) -> Any:
    """A record put into a state past all triggers, as only the owner of the table can."""
    record = made(model)
    table = connection.ops.quote_name(model._meta.db_table)
    with as_owner(), connection.cursor() as cursor:
        # Foreign keys are checked now: a table with checks outstanding cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        moved_by_sql(record, state)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    return record


def by_update(record: Any, target: str) -> None:
    type(record).objects.filter(pk=record.pk).update(state=target, **goes_with(type(record), target))


def by_bulk_update(record: Any, target: str) -> None:
    model = type(record)
    with_it = goes_with(model, target)
    names = ["state", *(name.removesuffix("_id") for name in with_it)]
    model.objects.bulk_update([forged(record, target)], names)


def by_save(record: Any, target: str) -> None:
    models.Model.save(forged(record, target), force_update=True)


def forged(record: Any, target: str) -> Any:
    """An instance of the same row that claims another state."""
    model = type(record)
    there = {field.attname: getattr(record, field.attname) for field in model._meta.concrete_fields}
    return model(**there | {"state": target} | goes_with(model, target))


WAYS: dict[str, Callable[[Any, str], None]] = {
    "update": by_update, "bulk_update": by_bulk_update, "raw SQL": moved_by_sql, "save": by_save,
}  # fmt: skip


def state_of(record: Any) -> str:
    return type(record).objects.filter(pk=record.pk).values_list("state", flat=True).get()


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_no_illegal_edge_by_any_way(name: str) -> None:
    model = RECORDS[name]
    tried = 0
    for _, source, target in sorted(edge for edge in ILLEGAL if edge[0] == name):
        with transaction.atomic():
            record = standing(model, source)
            for way, move in WAYS.items():
                with pytest.raises(REFUSED), transaction.atomic():
                    move(record, target)
                assert state_of(record) == source, f"{name} {source} → {target} by {way}"
                tried += 1
            assert not Transition.objects.filter(record_id=record.pk, target=target).exclude(source="").exists()
            transaction.set_rollback(True)
    assert tried == 4 * len([edge for edge in ILLEGAL if edge[0] == name])


@pytest.mark.parametrize(("name", "source", "target"), sorted(LEGAL))
def test_a_legal_move_leaves_one_transition_row(name: str, source: str, target: str) -> None:
    record = standing(RECORDS[name], source)
    # That a period is opened by two people is told in test_guards.py.
    with states.acting("ann", "because"), past_guards():
        moved_by_sql(record, target)
    (row,) = Transition.objects.filter(record_id=record.pk, source=source)
    assert (row.machine, row.target, row.actor) == (record._meta.db_table, target, "ann")
    assert row.why == "because"
    assert row.correlation_id == record.correlation_id


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_no_record_is_born_elsewhere(name: str) -> None:
    model = RECORDS[name]
    values = columns(model)
    for state in states.states(model)[1:]:
        with pytest.raises(DatabaseError), transaction.atomic():
            model.objects.create(**values | {"state": state, "id": keys.new_id()})
        with pytest.raises(DatabaseError), transaction.atomic():
            model.objects.bulk_create([model(**values | {"state": state, "id": keys.new_id()})])
    assert not model.objects.exclude(state=states.initial(model)).exists()


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_no_record_is_deleted_or_renamed(name: str) -> None:
    record = made(RECORDS[name])
    for statement in ("DELETE FROM {} WHERE id = %s", "UPDATE {} SET id = gen_random_uuid() WHERE id = %s"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement.format(record._meta.db_table), [record.pk])


def test_a_batch_with_one_illegal_move_moves_nothing() -> None:
    model = RECORDS["Offer"]
    first, second = standing(model, "open"), standing(model, "taken")
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {model._meta.db_table} SET state = 'dismissed' WHERE id IN (%s, %s)", [first.pk, second.pk]
        )
    assert [state_of(first), state_of(second)] == ["open", "taken"]


@pytest.mark.parametrize(
    "statement", ["UPDATE q2c_transition SET actor = 'x'", "DELETE FROM q2c_transition", "TRUNCATE q2c_transition"]
)
def test_the_record_of_moves_is_append_only(statement: str) -> None:
    made(RECORDS["Offer"])
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    with as_owner(), pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute(statement)
