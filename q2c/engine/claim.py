"""Claim due steps of one stage, in batches, under a lease."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction

from q2c import bulk, clock, keys, points, states
from q2c.engine.retry import WORKER_LOST
from q2c.models import Breaker, Step

_SOURCES, _TARGET = states.edge(Step, "claim")

# Not held: of its order key nothing is earlier and open, or in the middle of something. An earlier step whose record
# committed late finds a later one at work, and waits for it. What was sent already is looked up whatever comes first.
IN_FRONT = """
e.order_key = s.order_key AND e.order_key <> '' AND e.id <> s.id
    AND e.state IN ('waiting', 'running', 'accepted', 'unknown', 'failed')
    AND (e.seq < s.seq OR e.state IN ('running', 'accepted', 'unknown'))
"""
# How often in a row its worker was lost, of step s; from ALONE_FROM times on it is tried alone.
LOST_BEFORE = f"coalesce((s.failures->>'{WORKER_LOST}')::int, 0)"
ALONE_FROM = 2
FREE = f"(s.order_key = '' OR s.state <> 'waiting' OR NOT EXISTS (SELECT 1 FROM q2c_step e WHERE {IN_FRONT}))"
_DUE = f"""
SELECT s.id, s.order_key, {LOST_BEFORE} FROM q2c_step s
WHERE s.stage = %s::text AND s.state = ANY(%s::text[]) AND s.next_at <= %s::timestamptz
  AND s.connection <> ALL(%s::text[]) AND s.waiting_for <> ALL(%s::text[])
  AND (%s::uuid[] IS NULL OR s.id = ANY(%s::uuid[])) AND {FREE}
ORDER BY s.next_at, s.seq LIMIT %s::int FOR UPDATE OF s SKIP LOCKED
"""
# A replay of what a platform accepted asks about the job first: an empty search tells nothing while that goes on.
_CLAIM = f"""
UPDATE q2c_step s
SET state = %s, lease = %s, lease_until = %s,
    phase = CASE WHEN s.state = 'accepted' THEN 'poll' WHEN s.state = 'unknown' THEN 'look_up'
                 WHEN s.handle <> '' AND s.sent_at IS NOT NULL THEN 'poll' ELSE 'send' END
WHERE s.id = ANY(%s) AND {FREE}
RETURNING s.*
"""

# In one order, as everybody who locks several steps: nobody waits in a circle.
_RELOCK = """
SELECT id, lease, period FROM q2c_step WHERE id = ANY(%s::uuid[]) AND state = 'running' ORDER BY id FOR UPDATE
"""


def claim(stage: str, limit: int | None = None) -> list[Step]:
    """Up to `limit` due steps, now running under one lease; held steps, and those that a paused one stops, wait."""
    return _claimed(stage, None, limit or settings.BATCH_SIZE)


def claim_these(stage: str, step_ids: Sequence[uuid.UUID]) -> list[Step]:
    """Those of these steps that are due and not held: for a caller that waits for their answer."""
    return _claimed(stage, list(step_ids), len(step_ids))


def _claimed(stage: str, only: list[uuid.UUID] | None, limit: int) -> list[Step]:
    moment = clock.now()
    paused = list(Breaker.objects.filter(opened_at__isnull=False).values_list("connection", flat=True))
    lease_until = moment + clock.seconds(settings.LEASE_S)
    with transaction.atomic():
        states.say("q2c", "")
        due = bulk.execute(_DUE, [stage, _SOURCES, moment, paused, paused, only, only, limit])
        if not due:
            return []
        due = _apart(due)
        # Two who claim steps of one order key at the same moment do not see each other's.
        bulk.take_turns(order_key for _, order_key, _ in due if order_key)
        ids = [id_ for id_, _, _ in due]
        steps = list(Step.objects.raw(_CLAIM, [_TARGET, keys.new_id(), lease_until, ids]))
        points.reach("before_claim_commits")
    return sorted(steps, key=lambda step: step.seq)


def _apart(due: list[tuple[uuid.UUID, str, int]]) -> list[tuple[uuid.UUID, str, int]]:
    """What its worker was lost with before is tried alone, so that it takes no other with it."""
    if due[0][2] >= ALONE_FROM:
        return due[:1]
    return [row for row in due if row[2] < ALONE_FROM]


def still_ours(steps: list[Step]) -> set[uuid.UUID]:
    """Re-lock claimed steps; those whose lease another worker has taken over are not among the answer.

    The period of each is read again: its fiscal calendar may have changed while it was worked on.
    """
    mine = {step.id: step for step in steps}
    rows = bulk.execute(_RELOCK, [list(mine)]) if mine else []
    for id_, _, period in rows:
        mine[id_].period = period
    return {id_ for id_, lease, _ in rows if mine[id_].lease == lease}
