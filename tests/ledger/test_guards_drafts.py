"""What nobody makes of a draft: it stays what it was written as, for what it may be was asked when it came."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from ledger.models import JournalEntry
from ledger.models.journal_entry import MUTABLE
from tests.application_role import as_owner
from tests.ledger.test_guards import DRAFT, GOOD, NEXT, application, fresh, make_ready, ready

__all__ = ["application", "ready"]

pytestmark = pytest.mark.usefixtures("committed")

# Of each column something else that it could hold.
OTHERWISE = {
    "correlation_id": "id",
    "entity_id": "entity_id + 1",
    "journal": "'CASH'",
    "fiscal_year": "fiscal_year + 1",
    "event_id": "%(id)s",
    "event_type": "'Other'",
    "rule_set": "'other'",
    "generation": "generation + 1",
    "rules_used": "'none'",
    "matched": "'[1]'",
    "effective_on": "effective_on + 1",
    "booked_at": "booked_at + interval '1 day'",
    "period_id": "%(other_period)s",
    "subledger": "'revenue'",
    "currency": "'CHF'",
    "functional_currency": "'CHF'",
    "group_currency": "'CHF'",
    "functional_rate": "functional_rate + 1",
    "group_rate": "group_rate + 1",
    "customer": "'C-9'",
    "memo": "'x'",
    "business_document": "'invoice:9'",
    "key": "'9'",
    "line_count": "3",
    "total_minor": "total_minor + 1",
    "worth_minor": "worth_minor + 1",
    "reverses_id": "%(id)s",
}


@pytest.mark.parametrize("column", OTHERWISE)
def test_a_draft_is_not_changed(application: psycopg.Connection[Any], ready: dict[str, Any], column: str) -> None:
    given, client = ready | fresh(), psycopg.ClientCursor(application)
    client.execute(DRAFT + GOOD, given)
    with pytest.raises(psycopg.IntegrityError, match="a draft stays as it was written") as refused:
        client.execute(f"UPDATE ledger_journalentry SET {column} = {OTHERWISE[column]} WHERE id = %(new)s", given)
    assert refused.value.diag.constraint_name == "journal_frozen"


def test_every_column_is_tried() -> None:
    columns = {field.column for field in JournalEntry._meta.concrete_fields}
    assert set(OTHERWISE) == columns - set(MUTABLE) - {"id", "number"}


@pytest.mark.parametrize(
    "made_of_it",
    [
        "event_id = o.event_id, generation = 2, key = o.key",  # a second living entry of one event
        "reverses_id = o.id",  # a mirror of what is not posted, and a way into a period that is soft closed
    ],
)
def test_nor_on_its_way_to_ready(application: psycopg.Connection[Any], ready: dict[str, Any], made_of_it: str) -> None:
    given, client = ready | fresh(), psycopg.ClientCursor(application)
    client.execute(DRAFT + GOOD, given)
    with pytest.raises(psycopg.IntegrityError, match="a draft stays as it was written"):
        client.execute(
            f"UPDATE ledger_journalentry n SET {made_of_it}, state = 'ready', number = '{NEXT}'"
            " FROM ledger_journalentry o WHERE o.id = %(id)s AND n.id = %(new)s",
            given,
        )


@pytest.mark.parametrize("how", ["it comes so", "it becomes so"])
def test_no_entry_mirrors_itself(application: psycopg.Connection[Any], ready: dict[str, Any], how: str) -> None:
    """At once: what walks along its mirrors used to go round for ever."""
    given, client = ready | fresh(), psycopg.ClientCursor(application)
    client.execute("SET statement_timeout = '5s'")
    statement = DRAFT + "UPDATE ledger_journalentry SET reverses_id = id WHERE id = %(new)s"
    if how == "it comes so":
        statement = DRAFT.replace("posted_reference)", "posted_reference, reverses_id)", 1)
        statement = statement.replace("'', ''\n", "'', '', %(new)s\n")
    with pytest.raises(psycopg.IntegrityError) as refused:
        client.execute(statement, given)
    assert refused.value.diag.constraint_name == "entry_reverses_another"


def test_what_walks_along_mirrors_ends(ready: dict[str, Any], django_db_blocker: Any) -> None:
    """Even in a circle of two, which only the owner could make, with the guards off."""
    one, other = uuid.uuid4(), uuid.uuid4()
    with django_db_blocker.unblock(), as_owner(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '5s'")
        cursor.execute("ALTER TABLE ledger_journalentry DISABLE TRIGGER USER")
        for new, reverses in ((one, other), (other, one)):
            client = psycopg.ClientCursor(connection.connection)
            client.execute(DRAFT, ready | fresh() | {"new": new})
            client.execute(
                "UPDATE ledger_journalentry SET reverses_id = %s, state = 'reversed', number = %s, event_id = %s"
                " WHERE id = %s",
                [reverses, str(new)[:16], new, new],
            )
        cursor.execute("SELECT q2c_worth(%s, 5), ledger_taken_back(%s), ledger_counts_no_more(%s)", [one, one, one])
        assert cursor.fetchone() is not None
        transaction.set_rollback(True)


def test_a_draft_becomes_ready(application: psycopg.Connection[Any], ready: dict[str, Any]) -> None:
    """Number and state are what it gets later."""
    given, client = ready | fresh(), psycopg.ClientCursor(application)
    client.execute(DRAFT + GOOD, given)
    client.execute(make_ready(NEXT), given)
    assert client.execute("SELECT state FROM ledger_journalentry WHERE id = %(new)s", given).fetchone() == ("ready",)
