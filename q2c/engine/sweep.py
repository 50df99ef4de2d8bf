"""Redis may forget: the sweeper finds what is due, what a lost worker left and which replays go on.

It never waits for a platform: whoever is silent there would hold up everybody's work.
"""

from __future__ import annotations

import logging

from django.db import connection

from q2c import clock
from q2c.engine import desk, lost_workers, wake
from q2c.models import WorkerSeen

log = logging.getLogger(__name__)

# What a sweep gives to replays that nobody woke; the rest waits for the next one.
REPLAYS_S = 2.0
# Under this name the sweeper is seen, beside the queues' workers.
SIGN_OF_LIFE = "sweeper"


def sweep() -> dict[str, int]:
    """One round. Returns what it found; safe to run twice at once."""
    lost = _take_back()
    moment = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT stage FROM (SELECT DISTINCT stage FROM q2c_step WHERE state IN ('waiting', 'accepted', 'unknown') "
            "AND next_at <= %s) d",
            [moment],
        )
        due = [row[0] for row in cursor.fetchall()]
    wake.now(due)
    WorkerSeen.objects.update_or_create(queue=SIGN_OF_LIFE, defaults={"seen_at": clock.now()})
    replayed = desk.work(turn_s=REPLAYS_S)
    if lost:
        log.warning("swept", extra={"lost": lost})
    return {"lost": lost, "due": len(due), "replayed": replayed}


def _take_back() -> int:
    """What breaks here must not end the sweep: all else that waits for it would wait for ever."""
    try:
        return lost_workers.take_back()
    except Exception:
        log.exception("what lost workers left could not be taken back")
        return 0
