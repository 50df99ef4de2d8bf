"""What nobody gets past: raw SQL of the application role against entries that are ready."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

import ledger
from ledger import journal
from ledger.models import JournalEntry, LegalEntity
from ledger.models.journal_entry import MUTABLE
from ledger.writing import Header
from q2c import keys
from tests.application_role import as_owner
from tests.ledger.conftest import Connect
from tests.ledger.makers import invoice

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture(scope="module")
def ready(committed: dict[str, LegalEntity], django_db_blocker: Any) -> dict[str, Any]:
    """A committed entry of US01, ready as US01-26-S0000001, and what raw SQL needs to speak of it."""
    with django_db_blocker.unblock():
        with transaction.atomic():
            [result] = journal.post_ready([invoice()])
        entry = JournalEntry.objects.get(pk=result.entry_id)
        line = entry.lines.order_by("line").first()
        closed = entry.period.__class__.objects.get(entity=entry.entity, subledger="receivables", name="2026-02")
        return {
            "id": entry.id,
            "entity": entry.entity_id,
            "period": entry.period_id,
            "other_period": closed.id,
            "account": line.account_id,
            "line": line.id,
            "rule_line": line.rule_line_id,
            "rule": line.rule_line.rule_id,
        }


# A second entry as a draft, the way somebody with a SQL prompt would write it.
DRAFT = """
    INSERT INTO ledger_journalentry (id, correlation_id, state, entity_id, journal, fiscal_year, event_id, event_type,
        rule_set, generation, rules_used, effective_on, booked_at, period_id, subledger, currency,
        functional_currency, group_currency, functional_rate, group_rate, customer, memo, business_document, key,
        line_count, total_minor, document_number, posted_reference)
    SELECT %(new)s, correlation_id, 'drafted', entity_id, journal, fiscal_year, %(event)s, event_type,
        rule_set, generation + 0, rules_used, effective_on, booked_at, period_id, subledger, currency,
        functional_currency, group_currency, functional_rate, group_rate, customer, memo, business_document, %(key)s,
        2, 100, '', ''
    FROM ledger_journalentry WHERE id = %(id)s;
"""


def lines(*amounts: tuple[int, int, int]) -> str:
    rows = ", ".join(
        f"(%(new)s, {n}, %(account)s, {a}, {f}, {g}, '{{}}', '', '', %(rule_line)s)"
        for n, (a, f, g) in enumerate(amounts, 1)
    )
    return (
        "INSERT INTO ledger_journalline (entry_id, line, account_id, amount_minor, functional_minor, group_minor,"
        f" dimensions, customer, memo, rule_line_id) VALUES {rows};"
    )


def make_ready(number: str) -> str:
    return f"UPDATE ledger_journalentry SET state = 'ready', number = '{number}' WHERE id = %(new)s;"


GOOD = lines((100, 100, 100), (-100, -100, -100))
NEXT = "US01-26-S0000002"

ON_ITS_DAY = "generation + 0, rules_used, effective_on, booked_at, period_id"
LATER = ON_ITS_DAY.replace("effective_on", "'2026-11-01'")
NOWHERE = ON_ITS_DAY.replace("period_id", "id")
# February holds no entries.
EMPTY = " WHERE id = %(other_period)s"
CLOSE = (
    f"UPDATE ledger_fiscalperiod SET state = 'soft_closed'{EMPTY};"
    f"UPDATE ledger_fiscalperiod SET state = 'closed'{EMPTY};"
    "UPDATE ledger_fiscalperiod "
)
REFUSED = {
    "its memo is edited": ("UPDATE ledger_journalentry SET memo = 'x' WHERE id = %(id)s", "journal_frozen"),
    "its date is edited": ("UPDATE ledger_journalentry SET effective_on = '2026-11-01'", "journal_frozen"),
    "its period is edited": ("UPDATE ledger_journalentry SET period_id = %(other_period)s", "journal_frozen"),
    "its total is edited": ("UPDATE ledger_journalentry SET total_minor = total_minor + 1", "journal_frozen"),
    "its number is edited": ("UPDATE ledger_journalentry SET number = 'US01-26-S0000009'", "journal_frozen"),
    "its number is taken away": ("UPDATE ledger_journalentry SET number = NULL", "entry_numbered_when_ready"),
    "its rate is edited with its state": (
        "UPDATE ledger_journalentry SET functional_rate = 2, state = 'posting'",
        "journal_frozen",
    ),
    "it goes back to a draft": ("UPDATE ledger_journalentry SET state = 'drafted', number = NULL", "legal_edges"),
    "it is posted without being sent": ("UPDATE ledger_journalentry SET state = 'posted'", "legal_edges"),
    "it is posted without a document": (
        "UPDATE ledger_journalentry SET state = 'posting' WHERE id = %(id)s;"
        "UPDATE ledger_journalentry SET state = 'posted' WHERE id = %(id)s",
        "journal_moves",
    ),
    "a document before it is posted": (
        "UPDATE ledger_journalentry SET document_number = 'JE7' WHERE id = %(id)s",
        "journal_moves",
    ),
    "something came instead of it, and it stays": (
        "UPDATE ledger_journalentry SET superseded_by_id = id WHERE id = %(id)s",
        "journal_moves",
    ),
    "it is reversed without a mirror": (
        "UPDATE ledger_journalentry SET state = 'posting' WHERE id = %(id)s;"
        "UPDATE ledger_journalentry SET state = 'posted', document_number = 'JE7', posted_reference = '4711',"
        " posted_at = '2026-10-06' WHERE id = %(id)s;"
        "UPDATE ledger_journalentry SET state = 'reversed' WHERE id = %(id)s",
        "journal_moves",
    ),
    "it is deleted": ("DELETE FROM ledger_journalentry WHERE id = %(id)s", "append_only"),
    "a line is edited": ("UPDATE ledger_journalline SET amount_minor = 1 WHERE id = %(line)s", "append_only"),
    "a line is deleted": ("DELETE FROM ledger_journalline WHERE id = %(line)s", "append_only"),
    "a line is added": (
        "INSERT INTO ledger_journalline (entry_id, line, account_id, amount_minor, functional_minor, group_minor,"
        " dimensions, customer, memo) VALUES (%(id)s, 9, %(account)s, 5, 5, 5, '{}', '', '')",
        "journal_lines_frozen",
    ),
    "a line without an entry": (
        "INSERT INTO ledger_journalline (entry_id, line, account_id, amount_minor, functional_minor, group_minor,"
        " dimensions, customer, memo) VALUES (%(new)s, 1, %(account)s, 5, 5, 5, '{}', '', '')",
        "journal_lines_frozen",
    ),
    "another is born ready": (
        DRAFT.replace("'drafted'", "'ready'"),
        "entry_numbered_when_ready",
    ),
    "a draft has a number": (
        DRAFT + "UPDATE ledger_journalentry SET number = 'US01-26-S0000002' WHERE id = %(new)s",
        "entry_numbered_when_ready",
    ),
    "a header without lines": (DRAFT + make_ready(NEXT), "journal_balanced"),
    "a header with one line": (DRAFT + lines((0, 0, 0)) + make_ready(NEXT), "journal_balanced"),
    "unbalanced": (DRAFT + lines((100, 100, 100), (-99, -100, -100)) + make_ready(NEXT), "journal_balanced"),
    "unbalanced in the functional currency": (
        DRAFT + lines((100, 100, 100), (-100, -99, -100)) + make_ready(NEXT),
        "journal_balanced",
    ),
    "unbalanced in the group's": (
        DRAFT + lines((100, 100, 100), (-100, -100, -99)) + make_ready(NEXT),
        "journal_balanced",
    ),
    "a header with another total": (
        DRAFT + lines((90, 90, 90), (-90, -90, -90)) + make_ready(NEXT),
        "journal_balanced",
    ),
    "more lines than the header says": (
        DRAFT + lines((100, 100, 100), (-60, -60, -60), (-40, -40, -40)) + make_ready(NEXT),
        "journal_balanced",
    ),
    "an account that does not exist": (
        DRAFT + GOOD.replace("%(account)s", "999999") + make_ready(NEXT),
        "journal_accounts",
    ),
    "ready without a number": (
        DRAFT + GOOD + "UPDATE ledger_journalentry SET state = 'ready' WHERE id = %(new)s",
        "entry_numbered_when_ready",
    ),
    "out of number: a gap": (DRAFT + GOOD + make_ready("US01-26-S0000003"), "out_of_number"),
    "out of number: one of another series": (DRAFT + GOOD + make_ready("US01-26-C0000001"), "out_of_number"),
    "out of number: one of its own making": (DRAFT + GOOD + make_ready("MINE-1"), "out_of_number"),
    "a number twice": (DRAFT + GOOD + make_ready("US01-26-S0000001"), "one_entry_per_number"),
    "a day outside its period": (DRAFT.replace(ON_ITS_DAY, LATER) + GOOD + make_ready(NEXT), "journal_period"),
    "a period that does not exist": (DRAFT.replace(ON_ITS_DAY, NOWHERE) + GOOD + make_ready(NEXT), "journal_period"),
    "the same event twice": (DRAFT.replace("%(event)s", "event_id"), "one_entry_per_event_and_rule_set"),
    "another event under the key of a living one": (DRAFT.replace("%(key)s", "key"), "one_entry_per_key"),
    "and as its next generation": (
        DRAFT.replace("%(key)s", "key").replace("generation + 0", "generation + 1"),
        "one_living_entry",
    ),
    "a second generation beside a living one": (
        DRAFT.replace("%(event)s", "event_id").replace("generation + 0", "generation + 1"),
        "one_living_entry",
    ),
    "a living key under another event": (
        "UPDATE ledger_journalentry SET state = 'superseded' WHERE id = %(id)s;"
        + DRAFT
        + DRAFT.replace("%(new)s", "gen_random_uuid()").replace("%(event)s", "event_id").replace("+ 0", "+ 1"),
        "one_living_entry",
    ),
    "a mirror of what is not posted": (
        DRAFT.replace("posted_reference)", "posted_reference, reverses_id)", 1).replace("'', ''\n", "'', '', id\n"),
        "one_living_mirror",
    ),
    "the series is wound on": ("UPDATE ledger_journalseries SET last_number = 50", "out_of_number"),
    "the series is wound back": ("UPDATE ledger_journalseries SET last_number = 0", "out_of_number"),
    "a series that has begun": (
        "INSERT INTO ledger_journalseries (entity_id, fiscal_year, journal, prefix, last_number)"
        " VALUES (%(entity)s, 2027, 'SALES', 'US01-27-S', 7)",
        "out_of_number",
    ),
    "a series is deleted": ("DELETE FROM ledger_journalseries", "append_only"),
    "the rule that made it is edited": (
        "UPDATE ledger_postingrule SET event_type = 'Other' WHERE id = %(rule)s",
        "posting_rule_frozen",
    ),
    "the rule's line is edited": (
        "UPDATE ledger_postingruleline SET account_role = 'cash' WHERE id = %(rule_line)s",
        "posting_rule_frozen",
    ),
    "the rule is unused again": (
        "UPDATE ledger_postingrule SET used_at = NULL WHERE id = %(rule)s",
        "posting_rule_frozen",
    ),
    "the rule's line is deleted": (
        "DELETE FROM ledger_postingruleline WHERE id = %(rule_line)s",
        "posting_rule_frozen",
    ),
    "the account gets another number": (
        "UPDATE ledger_account SET code = 'X9' WHERE id = %(account)s",
        "account_booked",
    ),
    "the account gets another type": (
        "UPDATE ledger_account SET type = CASE type WHEN 'asset' THEN 'expense' ELSE 'asset' END WHERE id = %(account)s",
        "account_booked",
    ),
    "the account is deleted": ("DELETE FROM ledger_account WHERE id = %(account)s", "account_booked"),
    "the entity changes its currency": ("UPDATE ledger_legalentity SET functional_currency = 'CHF'", "entity_booked"),
    "the period is moved": (
        "UPDATE ledger_fiscalperiod SET ends_on = ends_on - 20 WHERE id = %(period)s",
        "period_booked",
    ),
    "a closed period without entries is renamed": (CLOSE + "SET name = '1999-01'" + EMPTY, "period_not_open"),
    "a closed period without entries is moved": (
        CLOSE + "SET starts_on = '1999-01-01', ends_on = '1999-02-01'" + EMPTY,
        "period_not_open",
    ),
    "a closed period goes to another subledger": (CLOSE + "SET subledger = 'revenue'" + EMPTY, "period_not_open"),
    "a closed period goes to another year": (CLOSE + "SET fiscal_year = 1999" + EMPTY, "period_not_open"),
    "a closed period is deleted": (
        CLOSE.removesuffix("UPDATE ledger_fiscalperiod ") + "DELETE FROM ledger_fiscalperiod" + EMPTY,
        "append_only",
    ),
    "a period beside a closed one": (
        CLOSE
        + "SET state = state"
        + EMPTY
        + """;
        INSERT INTO ledger_fiscalperiod (id, correlation_id, entity_id, subledger, name, fiscal_year, starts_on,
            ends_on, state)
        SELECT %(new)s, correlation_id, entity_id, subledger, 'again', fiscal_year, starts_on, ends_on, 'open'
        FROM ledger_fiscalperiod"""
        + EMPTY,
        "period_no_overlap",
    ),
}


@pytest.fixture
def application(as_application: Connect) -> Iterator[psycopg.Connection[Any]]:
    made = as_application()
    yield made
    made.rollback()


@pytest.mark.parametrize("what", REFUSED)
def test_refused(application: psycopg.Connection[Any], ready: dict[str, Any], what: str) -> None:
    sql, constraint = REFUSED[what]
    with pytest.raises(psycopg.IntegrityError) as refused:
        psycopg.ClientCursor(application).execute(sql, ready | fresh())
    assert (refused.value.diag.constraint_name or "").endswith(constraint), refused.value


@pytest.mark.parametrize("table", ["ledger_journalentry", "ledger_journalline", "ledger_journalseries"])
def test_truncate_is_refused(application: psycopg.Connection[Any], table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        application.execute(f"TRUNCATE {table} CASCADE")


def test_truncate_is_refused_to_the_owner_too(ready: dict[str, Any], django_db_blocker: Any) -> None:
    with (
        django_db_blocker.unblock(),
        as_owner(),
        pytest.raises(Exception, match=r"append-only|kept for ever"),
        connection.cursor() as cursor,
    ):
        cursor.execute("TRUNCATE ledger_journalline CASCADE")


def test_maintenance_is_the_owners_alone(application: psycopg.Connection[Any], ready: dict[str, Any]) -> None:
    application.execute("SET q2c.maintenance = 'on'")
    with pytest.raises(psycopg.IntegrityError):
        application.execute("DELETE FROM ledger_journalline WHERE id = %(line)s", ready)


def test_what_fits_is_taken(application: psycopg.Connection[Any], ready: dict[str, Any]) -> None:
    """The same statements with nothing wrong: the guards refuse no more than they should."""
    given = ready | fresh()
    psycopg.ClientCursor(application).execute(DRAFT + GOOD + make_ready(NEXT), given)
    row = application.execute("SELECT state, number FROM ledger_journalentry WHERE id = %(new)s", given).fetchone()
    assert row == ("ready", NEXT)


SAID_ONCE = {
    "posted_reference": "UPDATE ledger_journalentry SET posted_reference = 'other' WHERE id = %(id)s",
    "document_number": "UPDATE ledger_journalentry SET document_number = '' WHERE id = %(id)s",
    "posted_at": "UPDATE ledger_journalentry SET posted_at = now() WHERE id = %(id)s",
}


@pytest.mark.parametrize("column", SAID_ONCE)
def test_the_document_is_said_once(application: psycopg.Connection[Any], ready: dict[str, Any], column: str) -> None:
    application.execute("UPDATE ledger_journalentry SET state = 'posting' WHERE id = %(id)s", ready)
    application.execute(
        "UPDATE ledger_journalentry SET state = 'posted', document_number = 'JE7', posted_reference = '4711',"
        " posted_at = '2026-10-06' WHERE id = %(id)s",
        ready,
    )
    with pytest.raises(psycopg.IntegrityError, match="frozen"):
        application.execute(SAID_ONCE[column], ready)


def test_no_column_is_forgotten() -> None:
    """Each column is either frozen by name in the trigger or named as changeable; a new one must be decided."""
    sql = (Path(ledger.__file__).parent / "migrations" / "sql" / "entries.sql").read_text(encoding="utf-8")
    sql = sql.partition("'journal_frozen'")[0]
    columns = {field.column for field in JournalEntry._meta.concrete_fields}
    frozen = {column for column in columns if f"o.{column}," in sql or f"o.{column})" in sql}
    assert frozen == columns - set(MUTABLE) - {"id"}
    written = {field.name for field in dataclasses.fields(Header)}
    assert written == columns - {
        "state",
        "number",
        "document_number",
        "posted_reference",
        "posted_at",
        "superseded_by_id",
    }


def fresh() -> dict[str, Any]:
    return {"new": keys.new_id(), "event": keys.new_id(), "key": keys.idempotency_key(keys.new_id())}
