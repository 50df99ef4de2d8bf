"""Why a document may be missing or differ: a case that is somebody's, a day to come, or something in front."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

from q2c.faults.checker.reading import Databases, Row, rows

UNRESOLVED = ("open", "in_progress", "reopened", "awaiting_approval", "replaying", "snoozed")
# Stages that wait for a day of the calendar; what any other waits for is another try.
DATED = ("activate_subscription", "cancel_order", "look_again")
# What is due for longer than this has been forgotten.
GRACE = dt.timedelta(seconds=60)

# The order in which steps of one business document may go: one that is earlier and open, or in the middle, holds.
HELD = """(s.order_key <> '' AND EXISTS (SELECT FROM q2c_step f WHERE f.order_key = s.order_key AND f.id <> s.id
 AND f.state IN ('waiting', 'running', 'accepted', 'unknown', 'failed')
 AND (f.seq < s.seq OR f.state IN ('running', 'accepted', 'unknown'))))"""
PAUSED = """EXISTS (SELECT FROM q2c_breaker b WHERE b.opened_at IS NOT NULL
 AND (b.connection = s.connection OR b.connection = s.waiting_for) AND b.connection <> '')"""

_STEPS = f"""
SELECT s.stage, s.business_key, s.part, s.state, s.next_at, s.reason, split_part(e.source_id, ':', 1) AS source_key,
  s.waiting_for, s.connection, c.number, c.state AS case_state, c.reason AS case_reason, c.text AS case_text,
  s.state = 'waiting' AND {HELD} AS held, s.state = 'waiting' AND {PAUSED} AS paused
FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id LEFT JOIN exceptions_case c ON c.step_id = s.id
WHERE s.state <> 'done' AND NOT (s.state = 'abandoned' AND c.state IS DISTINCT FROM 'closed_without_fix')
"""
_RAW = """
SELECT number, state, reason, text, business_key FROM exceptions_case
WHERE step_id IS NULL AND state = ANY(%s)
"""


class Excuses:
    """By stage and business key, part or the source's own key. Held in memory: what is not done is little at rest."""

    def __init__(self, databases: Databases) -> None:
        self.now = databases.now
        self._by_key: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._raw: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows(databases.ours, _STEPS):
            if why := self._of(row):
                # The part of a customer's step is platform|account; a source's key is a deal's id, or an invoice's.
                account = row.part if "|" in row.part else ""
                for key in {row.business_key, account, row.source_key} - {""}:
                    self._by_key[row.stage, key].append(why)
        for row in rows(databases.ours, _RAW, [[*UNRESOLVED, "closed_without_fix"]]):
            if row.reason and row.text and row.business_key:
                self._raw[row.business_key].append(f"case C-{row.number}, {row.reason}")

    def of(self, stages: str | tuple[str, ...], *keys: str) -> str:
        """Why something of these stages, known by any of these keys, is not done; empty where nothing says so."""
        for key in keys:
            for stage in (stages,) if isinstance(stages, str) else stages:
                if found := self._by_key.get((stage, key)):
                    return found[0]
        return ""

    def raw(self, *keys: str) -> str:
        """Why something that came in, or was told, without a step is somebody's."""
        return next((self._raw[key][0] for key in keys if self._raw.get(key)), "")

    def _of(self, row: Row) -> str:
        if row.state in ("failed", "abandoned"):
            is_owned = row.case_state == "closed_without_fix" or row.case_state in UNRESOLVED
            return f"case C-{row.number}, {row.case_reason}" if is_owned and row.case_reason and row.case_text else ""
        if row.state != "waiting":
            return ""
        if row.held:
            return "waits for an earlier step"
        if row.paused:
            return f"waits for {row.waiting_for or row.connection}, which is down"
        if row.next_at > self.now:
            return f"waits until {row.next_at:%Y-%m-%d %H:%M}"
        return ""
