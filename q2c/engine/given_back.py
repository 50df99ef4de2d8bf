"""Claims that our own database would not let us finish, given back at once: others need not wait for their lease.

A deadlock, a lock that was waited for too long, a serialization failure or a restart of the database is nobody's fault
and passes. Each is counted as a lost worker is, so that a step that provokes it itself is tried alone in the end, and
is a case at last (lost_workers.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.conf import settings
from django.db import connection, transaction

from q2c import clock, states
from q2c.engine import apart
from q2c.engine.claim import LOST_BEFORE
from q2c.engine.lost_workers import LOST_MAX
from q2c.engine.retry import WORKER_LOST
from q2c.models import Step

log = logging.getLogger(__name__)
# The n-th time within 15 × 2ⁿ seconds, with full jitter, and never later than the lease would have ended.
FIRST_S = 15.0

# What may have left is looked up, as after a lost worker; its call is over, so it left by now. What has used up its
# losses stays for the sweeper, which makes it a case when its lease is over.
_GIVE_BACK = f"""
UPDATE q2c_step s
SET state = CASE WHEN s.phase = 'poll' THEN %s WHEN s.sent_at IS NULL THEN %s ELSE %s END,
    lease = NULL, lease_until = NULL, text = %s,
    next_at = %s + random() * least(%s, %s * power(2, {LOST_BEFORE})) * interval '1 second',
    failures = s.failures || jsonb_build_object('{WORKER_LOST}', {LOST_BEFORE} + 1),
    sent_at = CASE WHEN s.phase = 'poll' THEN s.sent_at WHEN s.sent_at IS NOT NULL THEN GREATEST(s.sent_at, %s) END
FROM (SELECT id FROM q2c_step WHERE id = ANY(%s) AND lease = %s AND state = 'running' ORDER BY id FOR UPDATE) x
WHERE s.id = x.id AND {LOST_BEFORE} < %s
"""


def give_back(steps: Sequence[Step], error: Exception) -> None:
    """Of one claimed batch, those that are still its own. Where that fails, too, their leases run out."""
    moment = clock.now()
    try:
        # After an error of the server's it may be of no use any more.
        connection.close_if_unusable_or_obsolete()
        with transaction.atomic(), connection.cursor() as cursor:
            states.say("q2c", "")
            targets = [states.edge(Step, verb)[1] for verb in ("hand_over", "retry", "lose")]
            text = f"our database: {apart.said(error)}"[: apart.TEXT_MAX]
            cursor.execute(
                _GIVE_BACK,
                [*targets, text, moment, float(settings.LEASE_S), FIRST_S, moment, [step.id for step in steps],
                 steps[0].lease, LOST_MAX - 1],
            )  # fmt: skip
            log.warning("given back", extra={"steps": cursor.rowcount, "error": text.partition("\n")[0]})
    except Exception:
        log.exception("claims could not be given back")
