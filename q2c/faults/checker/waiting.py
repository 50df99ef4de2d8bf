"""Nothing waits for ever: what is open is due later, held, paused, or somebody's case."""

from __future__ import annotations

from q2c.faults.checker.excuses import DATED, GRACE, HELD, PAUSED, UNRESOLVED, Excuses
from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, Row, rows

_STEPS = f"""
SELECT s.stage, s.part, s.business_key, s.state, s.next_at, s.lease, s.lease_until, s.reason, s.text, s.correlation_id,
  c.state AS case_state, s.state = 'waiting' AND {HELD} AS held, {PAUSED} AS paused
FROM q2c_step s LEFT JOIN exceptions_case c ON c.step_id = s.id
WHERE s.state NOT IN ('done', 'abandoned')
  AND NOT (s.state = 'waiting' AND s.stage = ANY(%(dated)s) AND s.next_at > %(now)s)
"""
_BREAKERS = "SELECT connection, opened_at, text FROM q2c_breaker WHERE opened_at IS NOT NULL"
_BATCHES = "SELECT number, state, queued_at FROM exceptions_replaybatch WHERE state IN ('queued', 'running')"
_CALLOUTS = (
    "SELECT connection, reference, called_at, tries, text, correlation_id FROM q2c_callout WHERE done_at IS NULL"
)


def check(databases: Databases, excuses: Excuses, found: Found) -> None:
    for row in rows(databases.ours, _STEPS, {"dated": list(DATED), "now": databases.now}):
        found.count("open steps")
        kind, text = _step_is_wrong(row, databases)
        if kind:
            about = f"{row.stage} of {row.business_key} {row.part}".strip()
            found.add(kind, f"{about} {text}", row.business_key or row.correlation_id)
    for row in rows(databases.ours, _BREAKERS):
        found.add("open_breaker", f"{row.connection} is paused since {row.opened_at:%Y-%m-%d %H:%M:%S}: {row.text}")
    for row in rows(databases.ours, _BATCHES):
        since = f" since {row.queued_at:%Y-%m-%d %H:%M:%S}" if row.queued_at else ""
        found.add("replay_under_way", f"Replay R-{row.number} is {row.state}{since}")
    for row in rows(databases.ours, _CALLOUTS):
        text = f"{row.reference} was called out by {row.connection} at {row.called_at:%Y-%m-%d %H:%M:%S}"
        text += f", and is not fetched after {row.tries} tries: {row.text}"
        found.unless(excuses.raw(row.reference), "unfetched_callout", text, row.correlation_id)


def _step_is_wrong(row: Row, databases: Databases) -> tuple[str, str]:
    """(kind, text); empty where it may be so."""
    now, late = databases.now, databases.now - GRACE
    if row.state == "running":
        if row.lease is None or row.lease_until is None:
            return "expired_lease", "is running, under no lease"
        if row.lease_until < now:
            return "expired_lease", f"is running, under a lease that ended at {row.lease_until:%Y-%m-%d %H:%M:%S}"
        return "", ""
    if row.state == "failed":
        if row.case_state in UNRESOLVED:
            return "", ""
        return (
            "failed_without_case",
            f"is failed ({row.reason}: {row.text}), and its case is {row.case_state or 'none'}",
        )
    if row.held or row.paused:
        return "", ""
    since = f"{row.next_at:%Y-%m-%d %H:%M:%S}"
    if row.next_at < late:
        return "stuck_step", f"is {row.state} and due since {since}: {row.text or row.reason or 'nothing says why'}"
    if row.next_at > now and row.state == "waiting":
        return "still_retrying", f"is to be tried again at {since}: {row.text or row.reason}"
    return "", ""
