"""Redis may forget: the sweeper finds what is due, what a lost worker left, which replays go on and which breakers may
close."""

from __future__ import annotations

import logging

from django.db import connection, transaction

from q2c import clock, states
from q2c.engine import breaker, desk, wake
from q2c.models import Step, WorkerSeen

log = logging.getLogger(__name__)

# What a sweep gives to replays that nobody woke; the rest waits for the next one.
REPLAYS_S = 2.0
# Under this name the sweeper is seen, beside the queues' workers.
SIGN_OF_LIFE = "sweeper"

# Sent and not heard of again: unknown; its last call may have left as late as its lease ended. Never sent: due again.
# Who only asked about a job left nothing: it is asked about again.
_EXPIRED = """
UPDATE q2c_step s
SET state = CASE WHEN s.phase = 'poll' THEN %s WHEN s.sent_at IS NULL THEN %s ELSE %s END,
    lease = NULL, lease_until = NULL, next_at = %s, text = 'its worker was lost',
    sent_at = CASE WHEN s.phase = 'poll' THEN s.sent_at
                   WHEN s.sent_at IS NOT NULL THEN GREATEST(s.sent_at, s.lease_until) END
FROM (SELECT id FROM q2c_step WHERE state = 'running' AND lease_until < %s ORDER BY lease_until LIMIT 1000
      FOR UPDATE SKIP LOCKED) x
WHERE s.id = x.id RETURNING s.stage
"""


def sweep() -> dict[str, int]:
    """One round. Returns what it found; safe to run twice at once."""
    moment = clock.now()
    with transaction.atomic():
        states.say("sweeper", "")
        with connection.cursor() as cursor:
            targets = [states.edge(Step, verb)[1] for verb in ("hand_over", "retry", "lose")]
            cursor.execute(_EXPIRED, [*targets, moment, moment])
            lost = len(cursor.fetchall())
    closed = breaker.probe_due()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT stage FROM (SELECT DISTINCT stage FROM q2c_step WHERE state IN ('waiting', 'accepted', 'unknown') "
            "AND next_at <= %s) d",
            [moment],
        )
        due = [row[0] for row in cursor.fetchall()]
    wake.now(due)
    WorkerSeen.objects.update_or_create(queue=SIGN_OF_LIFE, defaults={"seen_at": clock.now()})
    replays = desk.work(turn_s=REPLAYS_S)
    if lost or closed:
        log.warning("swept", extra={"lost": lost, "breakers_closed": closed})
    return {"lost": lost, "due": len(due), "closed": len(closed), "replayed": replays["sent"]}
