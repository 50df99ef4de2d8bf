"""What was replayed tells its true outcome, and whatever ended left what it says it left."""

from __future__ import annotations

from q2c.faults.checker.excuses import UNRESOLVED
from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, Row, rows

_CASES = """
SELECT c.number, c.state, c.resolution, c.reason, c.text, c.step_id, c.business_key, c.correlation_id, s.state AS step,
  s.stage, s.reference FROM exceptions_case c LEFT JOIN q2c_step s ON s.id = c.step_id
"""
# What was superseded is abandoned, or ended as it found that a newer one had come.
_ENDED = {
    "fixed_by_replay": ("done",), "resolved_by_itself": ("done",), "superseded": ("abandoned", "done"),
    "closed_without_fix": ("abandoned",),
}  # fmt: skip
_AT_WORK = ("failed", "waiting", "running", "accepted", "unknown")
_ITEMS = """
SELECT b.number AS batch, b.state AS batch_state, i.ordinal, i.outcome, i.document, c.number AS "case", c.business_key,
  c.state AS case_state, s.state AS step, s.document AS step_document, s.proof ? 'superseded_by' AS superseded,
  s.reference
FROM exceptions_replayitem i JOIN exceptions_replaybatch b ON b.id = i.batch_id
JOIN exceptions_case c ON c.id = i.case_id LEFT JOIN q2c_step s ON s.id = i.step_id
WHERE i.outcome IN ('confirmed', 'queued', 'sent', 'unknown')
"""
# By stage: what a step that is done has left, as a condition on step s and its event e.
_LEFT = {
    "accept_order": "EXISTS (SELECT FROM q2c_order o WHERE o.number = s.business_key)",
    "sync_customer": """EXISTS (SELECT FROM q2c_crossreference x WHERE x.kind = 'customer'
        AND x.connection = split_part(s.part, '|', 1) AND x.our_key = split_part(s.part, '|', 2))""",
    "provision_billing": """EXISTS (SELECT FROM q2c_subscription b JOIN q2c_order o ON o.id = b.order_id
        WHERE o.number = s.business_key AND b."group" = s.part)""",
    # Two questions: with an OR in one, each step would look at each invoice.
    "record_invoice": """(EXISTS (SELECT FROM q2c_invoice i WHERE i.event_id = s.event_id)
        OR EXISTS (SELECT FROM q2c_invoice i WHERE i.id::text = s.reference))""",
    "post_journal": """EXISTS (SELECT FROM ledger_journalentry j WHERE j.posted_reference <> ''
        AND j.posted_reference = s.reference AND j.state IN ('posted', 'reversed'))""",
    "cancel_order": """EXISTS (SELECT FROM q2c_order o WHERE o.number = s.business_key
        AND o.state IN ('cancelled', 'completed', 'rejected'))""",
}
_DONE = """
SELECT s.stage, s.part, s.business_key, s.reference, s.document, s.correlation_id
FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
WHERE s.stage = %s AND s.state = 'done' AND s.reference <> 'superseded' AND NOT {left}
"""
_COUNT = "SELECT stage, count(*) AS steps FROM q2c_step WHERE state = 'done' GROUP BY 1"


def check(databases: Databases, found: Found) -> None:
    for row in rows(databases.ours, _CASES):
        found.count("cases")
        if text := _case_is_wrong(row):
            kind = "mute_case" if row.state in UNRESOLVED and not (row.reason and row.text) else "untrue_case"
            found.add(kind, f"Case C-{row.number} ({row.business_key}) {text}", row.business_key or row.correlation_id)
    for row in rows(databases.ours, _ITEMS):
        found.count("replays")
        if text := _item_is_wrong(row):
            about = f"Replay R-{row.batch}, item {row.ordinal} (case C-{row.case}, {row.business_key})"
            found.add("untrue_replay", f"{about} {text}", row.business_key)
    for row in rows(databases.ours, _COUNT):
        found.count("steps done", row.steps)
    for stage, left in _LEFT.items():
        for row in rows(databases.ours, _DONE.format(left=left), [stage]):
            text = (
                f"{stage} of {row.business_key} {row.part} is done ({row.document or row.reference or 'no document'})"
            )
            found.add("done_without_record", f"{text}, and left nothing", row.business_key or row.correlation_id)


def _case_is_wrong(row: Row) -> str:
    if row.state in UNRESOLVED and not (row.reason and row.text):
        return f"is {row.state} and does not say why"
    if row.step_id is None:
        return ""
    if row.step is None:
        return "is of a step that is not there"
    if row.state in UNRESOLVED:
        return "" if row.step in _AT_WORK else f"is {row.state}, and its step {row.stage} is {row.step}"
    wanted = _ENDED.get(row.resolution, ())
    return "" if row.step in wanted else f"is {row.state}, {row.resolution}, and its step {row.stage} is {row.step}"


def _item_is_wrong(row: Row) -> str:
    if row.outcome != "confirmed":
        # What was sent and is held behind a case is found by its step, if nothing holds it.
        is_out = row.outcome == "queued" and row.batch_state in ("queued", "running")
        is_lost = row.outcome != "queued" and row.step not in _AT_WORK
        return f"is {row.outcome}, and its step is {row.step}" if is_out or is_lost else ""
    if row.step != "done":
        return f"is confirmed, and its step is {row.step}"
    if row.document and row.document != row.step_document:
        return f"is confirmed as {row.document}, and its step made {row.step_document or 'nothing'}"
    return ""
