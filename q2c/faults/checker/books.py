"""The ledger balances, entry by entry and as a whole, in three amounts; its numbers have no gap."""

from __future__ import annotations

from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, rows

LETTERS = {"SALES": "S", "CASH": "C", "REVENUE": "R", "GENERAL": "G"}
DIGITS = 7
_LETTER = "CASE e.journal " + " ".join(f"WHEN '{name}' THEN '{letter}'" for name, letter in LETTERS.items()) + " END"
_UNBALANCED = """
SELECT coalesce(e.number, e.id::text) AS number, e.correlation_id, count(l.id) AS lines, e.line_count, e.total_minor,
  coalesce(sum(l.amount_minor), 0) AS amount, coalesce(sum(l.functional_minor), 0) AS functional,
  coalesce(sum(l.group_minor), 0) AS grouped,
  coalesce(sum(l.amount_minor) FILTER (WHERE l.amount_minor > 0), 0) AS debits
FROM ledger_journalentry e LEFT JOIN ledger_journalline l ON l.entry_id = e.id WHERE e.state <> 'drafted' GROUP BY e.id
HAVING coalesce(sum(l.amount_minor), 0) <> 0 OR coalesce(sum(l.functional_minor), 0) <> 0
  OR coalesce(sum(l.group_minor), 0) <> 0 OR count(l.id) <> e.line_count
  OR e.total_minor <> coalesce(sum(l.amount_minor) FILTER (WHERE l.amount_minor > 0), 0)
"""
# What the entries come to, over every posted line; lines of no entry are found beside them.
_BOOKS = """
SELECT coalesce(le.code, 'no entity') AS entity, coalesce(e.currency, 'no entry') AS currency, count(*) AS lines,
  sum(l.amount_minor) AS amount, sum(l.functional_minor) AS functional, sum(l.group_minor) AS grouped
FROM ledger_journalline l LEFT JOIN ledger_journalentry e ON e.id = l.entry_id
LEFT JOIN ledger_legalentity le ON le.id = e.entity_id WHERE e.state IS DISTINCT FROM 'drafted' GROUP BY 1, 2
"""
_MISNAMED = f"""
SELECT e.number, e.correlation_id,
  le.number_code || '-' || lpad((e.fiscal_year %% 100)::text, 2, '0') || '-' || {_LETTER} AS prefix
FROM ledger_journalentry e JOIN ledger_legalentity le ON le.id = e.entity_id
WHERE e.state <> 'drafted' AND (e.number IS NULL OR e.number NOT LIKE
  le.number_code || '-' || lpad((e.fiscal_year %% 100)::text, 2, '0') || '-' || {_LETTER} || repeat('_', %s))
"""
_SERIES = """
WITH numbered AS (
  SELECT left(number, -%(digits)s) AS prefix, right(number, %(digits)s)::bigint AS value FROM ledger_journalentry
  WHERE number ~ %(shape)s
), stepped AS (
  SELECT prefix, value, lag(value, 1, 0::bigint) OVER (PARTITION BY prefix ORDER BY value) AS before FROM numbered
), found AS (
  SELECT prefix, count(*) AS many, max(value) AS last,
    array_agg(before || ' to ' || value ORDER BY value) FILTER (WHERE value <> before + 1) AS jumps
  FROM stepped GROUP BY prefix
)
SELECT coalesce(s.prefix, f.prefix) AS prefix, s.last_number, f.many, f.last, f.jumps
FROM found f FULL JOIN ledger_journalseries s ON s.prefix = f.prefix
"""


def check(databases: Databases, found: Found) -> None:
    for row in rows(databases.ours, _UNBALANCED):
        sums = f"{row.amount} in its currency, {row.functional} in the entity's, {row.grouped} in the group's"
        text = f"Entry {row.number}: its {row.lines} lines (said: {row.line_count}) sum to {sums}, in minor units; "
        found.add("unbalanced_entry", f"{text}debits {row.debits} (said: {row.total_minor})", row.correlation_id)
    _whole(databases, found)
    for row in rows(databases.ours, _MISNAMED, [DIGITS]):
        found.add("wrong_number", f"Entry {row.number} is not numbered in its series {row.prefix}", row.correlation_id)
    _numbers(databases, found)


def _whole(databases: Databases, found: Found) -> None:
    for row in rows(databases.ours, _BOOKS):
        found.count("journal lines", row.lines)
        if row.currency == "no entry":
            found.add("orphan_line", f"{row.lines} journal lines are of no entry")
        elif row.amount or row.functional or row.grouped:
            sums = f"{row.amount}, {row.functional} and {row.grouped}"
            found.add("unbalanced_books", f"The books of {row.entity} in {row.currency} sum to {sums} in minor units")


def _numbers(databases: Databases, found: Found) -> None:
    about = {"digits": DIGITS, "shape": f"^.+[0-9]{{{DIGITS}}}$"}
    for row in rows(databases.ours, _SERIES, about):
        found.count("journal numbers", row.many or 0)
        if row.jumps:
            text = f"Series {row.prefix} goes on from {', '.join(row.jumps[:5])}: {row.many} numbers up to {row.last}"
            found.add("number_gap", text, f"{row.prefix}{row.last:0{DIGITS}d}")
        elif (row.last_number or 0) != (row.last or 0):
            text = f"Series {row.prefix} has come to {row.last_number}, and its last entry is {row.last}"
            found.add("number_gap", text)
