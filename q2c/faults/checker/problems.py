"""Problems last as long as one of their cases, or the outage of their platform; their counts are the cases'."""

from __future__ import annotations

from q2c.faults.checker.excuses import UNRESOLVED
from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, rows

_STATES = """
SELECT p.number, p.title, p.state, p.kind, CASE WHEN p.kind = 'connection'
  THEN EXISTS (SELECT FROM q2c_breaker b WHERE b.problem_id = p.id AND b.opened_at IS NOT NULL)
  ELSE EXISTS (SELECT FROM exceptions_case c WHERE c.problem_id = p.id AND c.state = ANY(%s)) END AS lasts
FROM exceptions_problem p
"""
# Rows of amounts are differences, to be summed.
_COUNTS = """
WITH told AS (
  SELECT problem_id, state, currency, sum(cases) AS cases, sum(amount_minor) AS amount_minor
  FROM exceptions_problemamount GROUP BY 1, 2, 3
), counted AS (
  SELECT problem_id, state, currency, count(*) AS cases, coalesce(sum(amount_minor), 0) AS amount_minor
  FROM exceptions_case GROUP BY 1, 2, 3
)
SELECT p.number, p.title, coalesce(c.state, t.state) AS state, coalesce(c.currency, t.currency) AS currency,
  coalesce(c.cases, 0) AS cases, coalesce(t.cases, 0) AS told_cases, coalesce(c.amount_minor, 0) AS amount_minor,
  coalesce(t.amount_minor, 0) AS told_minor
FROM counted c FULL JOIN told t USING (problem_id, state, currency)
JOIN exceptions_problem p ON p.id = coalesce(c.problem_id, t.problem_id)
WHERE (coalesce(c.cases, 0), coalesce(c.amount_minor, 0)) <> (coalesce(t.cases, 0), coalesce(t.amount_minor, 0))
"""


def check(databases: Databases, found: Found) -> None:
    for row in rows(databases.ours, _STATES, [list(UNRESOLVED)]):
        found.count("problems")
        if (row.state == "open") != row.lasts:
            is_so = "lasts" if row.lasts else "is over"
            found.add(
                "untrue_problem", f"Problem P-{row.number} ({row.title}) is {row.state}, and what it is about {is_so}"
            )
    for row in rows(databases.ours, _COUNTS):
        here, told = f"{row.cases} of {row.amount_minor}", f"{row.told_cases} of {row.told_minor}"
        text = f"Problem P-{row.number} ({row.title}) has {here} {row.currency} {row.state}, and counts {told}"
        found.add("wrong_count", f"{text}, in minor units")
