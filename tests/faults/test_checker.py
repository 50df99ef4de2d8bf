"""A checker that cannot fail is worthless: each kind of fault, planted into a good result, is found, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from psycopg.rows import dict_row

from q2c.faults import checker
from tests.faults import story
from tests.faults.conftest import Result
from tests.faults.plants import PLANTS, Plant

# One of each that nobody's case is about, so that no case excuses what is done to it.
_CHOSEN = """
SELECT e.number AS entry, e.key, i.number AS invoice, i.billing_reference AS reference, o.number AS "order",
  split_part(o.source_id, ':', 1) AS deal, s.number AS subscription_number, s.account, e.customer
FROM ledger_journalentry e JOIN q2c_invoice i ON i.event_id = e.event_id JOIN q2c_order o ON o.id = i.order_id
JOIN q2c_subscription s ON s.order_id = o.id AND s."group" = i."group"
WHERE e.state = 'posted' AND e.reverses_id IS NULL AND o.source = 'salesforce' AND o.state = 'active'
  AND i.issued_on < '2026-11-20' AND NOT EXISTS (SELECT FROM exceptions_case c
    WHERE c.business_key IN (i.number, o.number) AND c.state <> 'resolved')
  AND NOT EXISTS (SELECT FROM q2c_chargesegment g WHERE g.subscription_id = s.id AND g.kind = 'usage')
ORDER BY e.number LIMIT 1
"""
# Of these there may be another number of rows.
_ANY = re.compile("line|DROP (INDEX|CONSTRAINT)")
_GUARDED = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"


@pytest.fixture
def chosen(result: Result) -> dict[str, Any]:
    with result.ours.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(_CHOSEN).fetchone()
    assert found is not None
    asked = "SELECT id FROM sandbox_zuora.record WHERE kind = 'subscription' AND number = %s"
    row = result.theirs.execute(asked, [found["subscription_number"]]).fetchone()
    assert row is not None
    return {**found, "subscription": row[0]}


def wrong_in(result: Result) -> list[checker.Wrong]:
    found = checker.look_through(result.ours, result.theirs, answered=result.answered, at=story.AT_REST)
    return found.wrong


def test_a_good_result_has_nothing_wrong_and_is_looked_at(result: Result) -> None:
    found = checker.look_through(result.ours, result.theirs, answered=result.answered, at=story.AT_REST)
    assert [(wrong.kind, wrong.text) for wrong in found.wrong] == []
    assert all(found.counts[noun] >= 10 for noun in ("won deals", "subscriptions", "invoices", "journals"))
    assert found.counts["events answered"] == found.counts["mirror entries"] == 1
    # What is not there has its case: the story is full of them.
    assert set(found.excused) >= {"undecided_order", "lost_invoice", "unposted_entry", "invoice_differs"}


def test_by_its_addresses_it_finds_the_same(result: Result) -> None:
    addresses = (
        connection.info.dsn + f" password={connection.info.password}" for connection in (result.ours, result.theirs)
    )
    found = checker.check(*addresses, answered=[*result.answered, "never sent"], at=story.AT_REST)
    assert [(wrong.kind, wrong.trace) for wrong in found.wrong] == [("lost_event", "")]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name.replace(" ", "_"))
def test_what_is_planted_is_found_and_nothing_else(result: Result, chosen: dict[str, Any], plant: Plant) -> None:
    try:
        for (table,) in result.ours.execute(_GUARDED).fetchall() if plant.ours else ():
            result.ours.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        for connection, statements in ((result.ours, plant.ours), (result.theirs, plant.theirs)):
            for statement in statements:
                assert connection.execute(statement.encode(), chosen).rowcount == 1 or _ANY.search(statement), statement
        found = wrong_in(result)
        kinds = sorted(wrong.kind for wrong in found)
        is_one_kind = len(set(plant.kinds)) == 1
        assert (kinds if is_one_kind else sorted(set(kinds))) == sorted(plant.kinds), [
            (wrong.kind, wrong.text) for wrong in found
        ]
        assert all(wrong.text for wrong in found)
    finally:
        result.ours.rollback()
        result.theirs.rollback()


def test_each_kind_that_it_knows_is_planted() -> None:
    """As its own source names them: a finding that nothing here provokes may never come."""
    sources = [path.read_text() for path in Path(checker.__file__).parent.glob("*.py")]
    called = re.compile(r"found\.(?:add|unless)\(\s*(?:why, |[^\"\n]*?, )?\"([a-z_]+)\"")
    named = {kind for source in sources for kind in called.findall(source)}
    assert len(named) > 35
    assert named <= {kind for plant in PLANTS for kind in plant.kinds}
