"""Claim due steps of one stage, in batches, under a lease."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction

from q2c import bulk, clock, keys, states
from q2c.models import Breaker, Step

_SOURCES, _TARGET = states.edge(Step, "claim")

# Held: an earlier step of the same order key is still open.
_CLAIM = """
WITH due AS (
  SELECT s.id, s.state FROM q2c_step s
  WHERE s.stage = %s AND s.state = ANY(%s) AND s.next_at <= %s AND s.connection <> ALL(%s)
    AND s.waiting_for <> ALL(%s) {only}
    AND (s.order_key = '' OR NOT EXISTS (
      SELECT 1 FROM q2c_step e WHERE e.order_key = s.order_key AND e.seq < s.seq
        AND e.state IN ('waiting', 'running', 'accepted', 'unknown', 'failed') AND e.order_key <> ''))
  ORDER BY s.next_at, s.seq LIMIT %s FOR UPDATE OF s SKIP LOCKED)
UPDATE q2c_step s
SET state = %s, lease = %s, lease_until = %s,
    phase = CASE due.state WHEN 'accepted' THEN 'poll' WHEN 'unknown' THEN 'look_up' ELSE 'send' END
FROM due WHERE s.id = due.id
RETURNING s.*
"""


# In one order, as everybody who locks several steps: nobody waits in a circle.
_RELOCK = "SELECT id, lease FROM q2c_step WHERE id = ANY(%s::uuid[]) AND state = 'running' ORDER BY id FOR UPDATE"


def claim(stage: str, limit: int | None = None) -> list[Step]:
    """Up to `limit` due steps, now running under one lease; held steps, and those that a paused one stops, wait."""
    return _claimed(_CLAIM.format(only=""), stage, [], limit or settings.BATCH_SIZE)


def claim_these(stage: str, step_ids: Sequence[uuid.UUID]) -> list[Step]:
    """Those of these steps that are due and not held: for a caller that waits for their answer."""
    return _claimed(_CLAIM.format(only="AND s.id = ANY(%s)"), stage, [list(step_ids)], len(step_ids))


def _claimed(sql: str, stage: str, only: list[Any], limit: int) -> list[Step]:
    moment = clock.now()
    paused = list(Breaker.objects.filter(opened_at__isnull=False).values_list("connection", flat=True))
    lease_until = moment + clock.seconds(settings.LEASE_S)
    with transaction.atomic():
        states.say("q2c", "")
        values = [stage, _SOURCES, moment, paused, paused, *only, limit, _TARGET, keys.new_id(), lease_until]
        steps = list(Step.objects.raw(sql, values))
    return sorted(steps, key=lambda step: step.seq)


def still_ours(steps: list[Step]) -> set[uuid.UUID]:
    """Re-lock claimed steps; those whose lease another worker has taken over are not among the answer."""
    if not steps:
        return set()
    leases = {step.id: step.lease for step in steps}
    rows = bulk.execute(_RELOCK, [list(leases)])
    return {id_ for id_, lease in rows if leases[id_] == lease}
