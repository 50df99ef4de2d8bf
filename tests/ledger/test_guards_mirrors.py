"""A mirror takes back all of its original and nothing else: what the application's role may write as one."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.ledger.test_guards import NEXT, application, fresh, make_ready, ready

__all__ = ["application", "ready"]

pytestmark = pytest.mark.usefixtures("committed")

POSTED = """
    UPDATE ledger_journalentry SET state = 'posting' WHERE id = %(id)s;
    UPDATE ledger_journalentry SET state = 'posted', document_number = 'JE7', posted_reference = '4711',
        posted_at = '2026-10-06' WHERE id = %(id)s;"""
# The true mirror of the whole entry, as the application writes it.
MIRROR = """
    INSERT INTO ledger_journalentry SELECT (jsonb_populate_record(e, jsonb_build_object(
        'id', %(new)s, 'event_id', %(event)s, 'key', %(key)s, 'state', 'drafted', 'number', NULL, 'reverses_id', e.id,
        'worth_minor', -e.worth_minor, 'document_number', '', 'posted_reference', '', 'posted_at', NULL,
        'line_count', e.line_count, 'total_minor', e.total_minor, 'memo', 'taken back'))).*
    FROM ledger_journalentry e WHERE e.id = %(id)s;"""
LINES = """
    INSERT INTO ledger_journalline (entry_id, line, account_id, amount_minor, functional_minor, group_minor, dimensions,
        customer, memo, rule_line_id)
    SELECT %(new)s, line, account_id, -amount_minor, -functional_minor, -group_minor, dimensions, customer, memo,
        rule_line_id FROM ledger_journalline WHERE entry_id = %(id)s;"""
HALF = "'line_count', 2, 'total_minor', 1"
TWO_LINES = LINES.replace(" FROM ledger_journalline WHERE", " FROM ledger_journalline WHERE line IN (1, 2) AND").replace(
    "-amount_minor, -functional_minor, -group_minor",
    "*".join(["CASE line WHEN 1 THEN -1 ELSE 1 END"]) + ", CASE line WHEN 1 THEN -1 ELSE 1 END"
    ", CASE line WHEN 1 THEN -1 ELSE 1 END",
)  # fmt: skip
OTHERWISE = {
    "it takes back a cent": (MIRROR.replace("'line_count', e.line_count, 'total_minor', e.total_minor", HALF), TWO_LINES),
    "it is the same again": (MIRROR, LINES.replace("-", "")),
    "on another account": (
        MIRROR,
        LINES.replace("account_id, -", "CASE line WHEN 1 THEN (SELECT min(a.id) FROM ledger_account a WHERE a.id NOT IN"
                      " (SELECT account_id FROM ledger_journalline) AND a.entity_id IS NULL) ELSE account_id END, -"),
    ),
    "with another dimension": (MIRROR, LINES.replace("dimensions, customer, memo,\n", "'{\"region\": \"x\"}', customer, memo,\n")),
    "in other amounts of the group": (
        MIRROR, LINES.replace("-group_minor", "-group_minor + CASE line WHEN 1 THEN 1 WHEN 2 THEN -1 ELSE 0 END"),
    ),
    "worth something else": (MIRROR.replace("-e.worth_minor", "e.worth_minor + 1"), LINES),
    "a day before its original": (MIRROR.replace("'line_count'", "'effective_on', e.effective_on - 1, 'line_count'"), LINES),
    "of another document": (MIRROR.replace("'line_count'", "'business_document', 'invoice:9', 'line_count'"), LINES),
}  # fmt: skip


@pytest.mark.parametrize("how", OTHERWISE)
def test_no_other_mirror_becomes_ready(application: psycopg.Connection[Any], ready: dict[str, Any], how: str) -> None:
    given, client = ready | fresh(), psycopg.ClientCursor(application)
    for statement in (POSTED, *OTHERWISE[how]):
        client.execute(statement, given)
    with pytest.raises(psycopg.IntegrityError, match="is no mirror of US01-26-S0000001") as refused:
        client.execute(make_ready(NEXT), given)
    assert refused.value.diag.constraint_name == "journal_mirrors"


def test_the_true_one_does(application: psycopg.Connection[Any], ready: dict[str, Any]) -> None:
    given, client = ready | fresh(), psycopg.ClientCursor(application)
    client.execute(POSTED + MIRROR + LINES + make_ready(NEXT), given)
    row = client.execute("SELECT state FROM ledger_journalentry WHERE id = %(new)s", given).fetchone()
    assert row == ("ready",)
