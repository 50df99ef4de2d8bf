"""What follows from a record was told once: never twice, which would be done twice, and never not at all."""

from __future__ import annotations

from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, rows

# Derived anew, an entry keeps the fact that told of the one before it.
_FIRST_OF_ITS_EVENT = "NOT EXISTS (SELECT FROM ledger_journalentry p WHERE p.superseded_by_id = r.id)"
# (event, member of its payload that names the record, table, which records are told of, what people call one)
TOLD = (
    ("OrderAccepted", "order_id", "q2c_order", "r.accepted_at IS NOT NULL", "r.number"),
    ("OrderRejected", "order_id", "q2c_order", "r.state = 'rejected'", "r.number"),
    ("OrderCancelled", "order_id", "q2c_order", "r.state = 'cancelled'", "r.number"),
    ("SubscriptionProvisioned", "subscription_id", "q2c_subscription", "true", "r.number"),
    ("JournalReady", "journal_id", "ledger_journalentry",
     f"r.state <> 'drafted' AND {_FIRST_OF_ITS_EVENT}", "coalesce(r.number, r.id::text)"),
    ("JournalPosted", "journal_id", "ledger_journalentry",
     "r.state IN ('posted', 'reversed') AND r.reverses_id IS NULL", "coalesce(r.number, r.id::text)"),
    ("JournalReversed", "journal_id", "ledger_journalentry",
     "r.state IN ('posted', 'reversed') AND r.reverses_id IS NOT NULL", "coalesce(r.number, r.id::text)"),
)  # fmt: skip
_TIMES = """
WITH told AS (
  SELECT payload->>'{member}' AS id, count(*) AS times FROM q2c_event
  WHERE type = '{event}' AND source = 'q2c' GROUP BY 1
), wanted AS (
  SELECT r.id::text AS id, {name} AS name, r.correlation_id FROM {table} r WHERE {which}
)
SELECT coalesce(w.name, t.id) AS name, coalesce(t.times, 0) AS times, w.id IS NOT NULL AS wanted, w.correlation_id
FROM wanted w FULL JOIN told t ON t.id = w.id WHERE coalesce(t.times, 0) <> CASE WHEN w.id IS NULL THEN 0 ELSE 1 END
"""
_COUNT = "SELECT count(*) AS facts FROM q2c_event WHERE source = 'q2c' AND type = ANY(%s)"


def check(databases: Databases, found: Found) -> None:
    for row in rows(databases.ours, _COUNT, [[event for event, *_ in TOLD]]):
        found.count("facts told", row.facts)
    for event, member, table, which, name in TOLD:
        asked = _TIMES.format(event=event, member=member, table=table, which=which, name=name)
        for row in rows(databases.ours, asked):
            if not row.wanted:
                found.add("untrue_fact", f"{event} was told of {row.name}, and is not so", row.name)
            elif row.times:
                found.add("double_fact", f"{event} was told of {row.name} {row.times} times", row.correlation_id)
            else:
                found.add("lost_fact", f"{event} was never told of {row.name}", row.correlation_id)
