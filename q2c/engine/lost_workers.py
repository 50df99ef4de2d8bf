"""Steps whose worker was lost in the middle: due again or looked up, and a person's once it happens again and again.

A worker may be lost for reasons of its own, so a step is not blamed at once. After the second loss it is tried alone
(engine/claim.py), so that one that takes its worker down takes no other step with it.
"""

from __future__ import annotations

import logging
import uuid

from django.conf import settings
from django.db import connection, transaction

from q2c import clock, states
from q2c.engine import record, run
from q2c.engine.claim import LOST_BEFORE
from q2c.engine.retry import WORKER_LOST
from q2c.models import Step
from q2c.stages import STAGES

log = logging.getLogger(__name__)
# So often in a row, and a person is asked.
LOST_MAX = 5
# Of those, so many a sweep; the next one goes on.
_AT_ONCE = 100

# Sent and not heard of again: unknown; its last call may have left as late as its lease ended. Never sent: due again.
# Who only asked about a job left nothing: it is asked about again. It stays due since when it was: it is late.
_EXPIRED = f"""
UPDATE q2c_step s
SET state = CASE WHEN s.phase = 'poll' THEN %s WHEN s.sent_at IS NULL THEN %s ELSE %s END,
    lease = NULL, lease_until = NULL, text = 'its worker was lost',
    failures = s.failures || jsonb_build_object('{WORKER_LOST}', {LOST_BEFORE} + 1),
    sent_at = CASE WHEN s.phase = 'poll' THEN s.sent_at
                   WHEN s.sent_at IS NOT NULL THEN GREATEST(s.sent_at, s.lease_until) END
FROM (SELECT id FROM q2c_step s WHERE state = 'running' AND lease_until < %s AND {LOST_BEFORE} < %s
      ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED) x
WHERE s.id = x.id RETURNING s.stage
"""
_HOPELESS = f"""
SELECT id FROM q2c_step s WHERE state = 'running' AND lease_until < %s AND {LOST_BEFORE} >= %s
ORDER BY lease_until LIMIT {_AT_ONCE}
"""


def take_back() -> int:
    """What expired leases left. Returns how many; safe to run twice at once."""
    moment = clock.now()
    with transaction.atomic(), connection.cursor() as cursor:
        states.say("sweeper", "")
        targets = [states.edge(Step, verb)[1] for verb in ("hand_over", "retry", "lose")]
        cursor.execute(_EXPIRED, [*targets, moment, LOST_MAX - 1])
        lost = len(cursor.fetchall())
        cursor.execute(_HOPELESS, [moment, LOST_MAX - 1])
        hopeless = [row[0] for row in cursor.fetchall()]
    for step_id in hopeless:
        try:
            _give_up(step_id)
        except Exception:
            log.exception("a step that took its worker down could not fail", extra={"step": str(step_id)})
            # Those behind it have their turn first.
            Step.objects.filter(id=step_id, state="running").update(
                lease_until=moment + clock.seconds(settings.LEASE_S)
            )
    return lost + len(hopeless)


def _give_up(step_id: uuid.UUID) -> None:
    """Its case says that it may have been done, where something had left: a replay looks first."""
    step = Step.objects.filter(id=step_id, state="running", lease_until__lt=clock.now()).first()
    if step is None or step.lease_until is None:
        return
    text = f"Its worker was lost {LOST_MAX} times in a row while it was worked on, the last time alone"
    if step.sent_at is not None and step.phase != "poll":
        step.sent_at = max(step.sent_at, step.lease_until)
        text += "; it may have been done, which a replay looks up first"
    (work,) = run.load([step])
    if record.give_up(STAGES[step.stage], work, [], text):
        log.error("a step took its worker down again and again", extra={"step": str(step_id), "stage": step.stage})
