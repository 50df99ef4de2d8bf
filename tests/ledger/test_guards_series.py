"""Whose numbers begin how: nobody makes a series that begins like another one, or like none."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from ledger import journal
from ledger.models import LegalEntity
from ledger.models.series import JOURNALS, prefix
from tests.application_role import as_owner
from tests.ledger.makers import invoice
from tests.ledger.test_guards import application, ready

__all__ = ["application", "ready"]

pytestmark = pytest.mark.usefixtures("committed")

SERIES = (
    "INSERT INTO ledger_journalseries (entity_id, fiscal_year, journal, prefix, last_number)"
    " SELECT id, %s, %s, %s, 0 FROM ledger_legalentity WHERE code = %s"
)
REFUSED = {
    "of its own making": (2026, "CASH", "ZZ99-77-X", "US01"),
    "another journal's": (2027, "SALES", "US01-27-R", "US01"),
    "another year's": (2027, "SALES", "US01-26-S", "US01"),
    "another entity's": (2026, "REVENUE", "DE01-26-R", "US01"),
    "of a hundred years before": (1926, "REVENUE", "US01-26-R", "US01"),
    "of a hundred years later": (2126, "REVENUE", "US01-26-R", "US01"),
    "of a journal that there is not": (2026, "OTHER", "US01-26-O", "US01"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_series_begins_as_it_should(application: psycopg.Connection[Any], what: str) -> None:
    with pytest.raises(psycopg.IntegrityError, match="begin with") as refused:
        application.execute(SERIES, REFUSED[what])
    assert refused.value.diag.constraint_name == "out_of_number"


@pytest.mark.parametrize("of", JOURNALS)
@pytest.mark.parametrize("year", [2000, 2027, 2099])
def test_the_right_one_is_taken(application: psycopg.Connection[Any], of: str, year: int) -> None:
    """Database and code say the same of each journal."""
    made = application.execute(SERIES + " RETURNING prefix", (year, of, prefix("DE01", year, of), "DE01")).fetchall()
    assert made == [(prefix("DE01", year, of),)]


def test_an_entity_keeps_the_code_that_its_series_begin_with(application: psycopg.Connection[Any]) -> None:
    """Else another entity could take the code, and would find its series taken."""
    application.execute(SERIES, (2026, "SALES", "JP01-26-S", "JP01"))
    application.execute("UPDATE ledger_legalentity SET functional_currency = 'JPY' WHERE code = 'JP01'")
    with pytest.raises(psycopg.IntegrityError) as refused:
        application.execute("UPDATE ledger_legalentity SET number_code = 'JP02' WHERE code = 'JP01'")
    assert refused.value.diag.constraint_name == "entity_booked"


def test_what_was_in_the_way_goes(committed: dict[str, LegalEntity], django_db_blocker: Any) -> None:
    """In a database of before; the booking then makes what it needs."""
    made_room = import_module("ledger.migrations.0013_series_begin_as_they_should").MADE_ROOM
    with django_db_blocker.unblock(), as_owner(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_journalseries DISABLE TRIGGER ledger_journalseries_guard")
        cursor.execute(SERIES, (2027, "SALES", "US01-26-R", "US01"))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE ledger_journalseries ENABLE TRIGGER ledger_journalseries_guard")
        cursor.execute(made_room)
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        [result] = journal.post_ready([invoice(journal="REVENUE")])
        assert result.number == "US01-26-R0000001"
        transaction.set_rollback(True)
