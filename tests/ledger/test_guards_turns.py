"""What nobody gets past at the same moment: a guard that reads other rows waits for who is writing them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.ledger.conftest import Connect
from tests.ledger.test_guards import DRAFT, GOOD, fresh, ready
from tests.meeting import met

__all__ = ["ready"]

pytestmark = pytest.mark.usefixtures("committed")

ACCOUNT = """
    INSERT INTO ledger_account (effective_from, code, name, type, role, monetary, is_active)
    VALUES ('2000-01-01', %(code)s, 'x', 'asset', '', false, true) RETURNING id"""
# A rule of its own that never booked, with the line of another one.
RULE = """
    WITH made AS (
      INSERT INTO ledger_postingrule SELECT (jsonb_populate_record(r, jsonb_build_object(
        'id', (SELECT max(id) + 1 FROM ledger_postingrule), 'version', (SELECT max(version) + 1 FROM ledger_postingrule), 'leg', %(code)s, 'used_at', NULL))).*
      FROM ledger_postingrule r WHERE id = %(rule)s RETURNING id)
    INSERT INTO ledger_postingruleline SELECT (jsonb_populate_record(l, jsonb_build_object(
      'id', (SELECT max(id) + 1 FROM ledger_postingruleline), 'rule_id', made.id))).*
    FROM ledger_postingruleline l, made WHERE l.id = %(rule_line)s RETURNING id"""
# In yen, in whose company nothing was booked yet.
ELSEWHERE = DRAFT.replace("'drafted', entity_id", "'drafted', %(elsewhere)s").replace(
    "booked_at, period_id, subledger, currency,\n        functional_currency, group_currency, functional_rate,"
    " group_rate, customer, memo, business_document, %(key)s",
    "booked_at, %(its_period)s, subledger, currency,\n        'JPY', group_currency, functional_rate,"
    " group_rate, customer, memo, business_document, %(key)s",
)
READY = """
    UPDATE ledger_journalentry e SET state = 'ready', number = s.prefix || lpad((s.last_number + 1)::text, 7, '0')
    FROM ledger_journalseries s WHERE e.id = %(new)s
      AND (s.entity_id, s.fiscal_year, s.journal) = (e.entity_id, e.fiscal_year, e.journal);"""
SERIES = """
    INSERT INTO ledger_journalseries (entity_id, fiscal_year, journal, prefix, last_number)
    VALUES (%(elsewhere)s, 2026, 'SALES', 'JP01-26-S', 0) ON CONFLICT DO NOTHING;"""
BOOKED = DRAFT + GOOD + READY
BOOKED_ELSEWHERE = ELSEWHERE + GOOD + SERIES + READY
IN_DOLLARS = "UPDATE ledger_legalentity SET functional_currency = 'USD' WHERE id = %(elsewhere)s"
EDITED = "UPDATE ledger_postingruleline SET account_role = 'cash' WHERE id = %(rule_line)s"
# First a row that nothing rests on, then what one does and what another does before that is committed.
MEETINGS = {
    "an account is deleted that is booked on": (
        {"account": ACCOUNT}, BOOKED, "DELETE FROM ledger_account WHERE id = %(account)s", "account_booked",
    ),
    "an account gets another type while it is booked on": (
        {"account": ACCOUNT}, BOOKED, "UPDATE ledger_account SET type = 'expense' WHERE id = %(account)s",
        "account_booked",
    ),
    "an account is booked on that is being deleted": (
        {"account": ACCOUNT}, "DELETE FROM ledger_account WHERE id = %(account)s", BOOKED, "journal_accounts",
    ),
    "a rule's line is edited while it books": ({"rule_line": RULE}, BOOKED, EDITED, "posting_rule_frozen"),
    "a rule books whose line is being deleted": (
        {"rule_line": RULE}, "DELETE FROM ledger_postingruleline WHERE id = %(rule_line)s", BOOKED, "journal_rules",
    ),
    "an entity is booked in that is getting another currency": (
        {}, IN_DOLLARS, BOOKED_ELSEWHERE, "journal_currency",
    ),
    "an entity gets another currency while it is booked in": (
        {}, BOOKED_ELSEWHERE, IN_DOLLARS.replace("USD", "EUR"), "entity_booked",
    ),
}  # fmt: skip


@pytest.fixture
def given(as_application: Connect, ready: dict[str, Any]) -> Iterator[dict[str, Any]]:
    makes = as_application()
    [(elsewhere, its_period)] = makes.execute(
        "SELECT e.id, p.id FROM ledger_legalentity e JOIN ledger_fiscalperiod p ON p.entity_id = e.id"
        " JOIN ledger_fiscalperiod o ON (o.subledger, o.name) = (p.subledger, p.name)"
        " WHERE e.code = 'JP01' AND o.id = %(period)s",
        ready,
    ).fetchall()
    made = ready | fresh() | {"elsewhere": elsewhere, "its_period": its_period}
    yield made | {"code": made["key"][:12]}
    makes.execute("UPDATE ledger_legalentity SET functional_currency = 'JPY' WHERE code = 'JP01'")
    makes.commit()


@pytest.mark.parametrize("what", MEETINGS)
def test_the_second_waits_and_is_refused(as_application: Connect, given: dict[str, Any], what: str) -> None:
    rows, first, then, constraint = MEETINGS[what]
    makes = as_application()
    for name, sql in rows.items():
        [(given[name],)] = psycopg.ClientCursor(makes).execute(sql, given).fetchall()
    makes.commit()
    error = met(as_application, first, then, given)
    assert isinstance(error, psycopg.IntegrityError), error
    assert error.diag.constraint_name == constraint, error


def test_two_generations_do_not_meet(as_application: Connect, given: dict[str, Any]) -> None:
    """One event: first under a key of its own, and as the second of a key whose first is superseded. One index each."""
    old, other = fresh(), fresh()
    makes = psycopg.ClientCursor(as_application())
    makes.execute(BOOKED, given | old)
    makes.execute("UPDATE ledger_journalentry SET state = 'superseded' WHERE id = %(new)s", old)
    makes.connection.commit()
    named = {"second": other["new"], "its_key": old["key"]}
    second = DRAFT.replace("%(new)s", "%(second)s").replace("%(key)s", "%(its_key)s")
    error = met(as_application, DRAFT, second.replace("generation + 0", "2"), given | named)
    assert isinstance(error, psycopg.IntegrityError) and error.diag.constraint_name == "one_living_entry", error
