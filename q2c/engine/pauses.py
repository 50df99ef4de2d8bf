"""A source that wants fewer calls is left alone: until it says, or longer each time that it says so again.

Polls, the daily sweep and what was called out keep to it. What a person asks for is asked at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db.models import F

from q2c import clock
from q2c.connectors.outcomes import Unavailable
from q2c.engine import retry
from q2c.models import PollCursor
from q2c.reasons import Reason

# The first pause is a round of polls; each further one in a row is twice as long, up to a quarter of an hour.
FIRST_S, LONGEST_S = 20.0, 900.0
PAUSES_MAX = 100


def note(connection: str, outcome: object) -> dt.datetime | None:
    """Keep a pause where the answer of a platform asks for one. Returns until when; None where it asks for none.

    A time that it names is kept, up to a day (`retry_after_s` is bounded where it is read); a pause of ours may be
    longer than that, as where a platform whose calls of the day are used up always says a minute.
    """
    if not isinstance(outcome, Unavailable):
        return None
    busy = outcome.reason == Reason.PLATFORM_BUSY
    if not busy and not outcome.retry_after_s:
        return None
    cursor = PollCursor.objects.filter(connection=connection).first()
    if cursor is None:
        return None
    growing_s = min(FIRST_S * 2 ** min(cursor.pauses, 10), LONGEST_S) if busy else 0.0
    until = retry.after(max(outcome.retry_after_s or 0.0, growing_s))
    here = PollCursor.objects.filter(pk=cursor.pk)
    here.update(not_before=until)
    here.filter(pauses__lt=PAUSES_MAX).update(pauses=F("pauses") + 1)
    return until


def over(connection: str) -> None:
    """It was read to the end: the next pause is a first one."""
    PollCursor.objects.filter(connection=connection).update(not_before=None, pauses=0)


def lift(connections: Iterable[str]) -> None:
    """Ask them with the next round, whatever they said. One that is busy still is left alone for longer than before."""
    PollCursor.objects.filter(connection__in=list(connections), not_before__isnull=False).update(not_before=None)


def paused() -> dict[str, PollCursor]:
    """Those that are left alone now, by connection."""
    return {cursor.connection: cursor for cursor in PollCursor.objects.filter(not_before__gt=clock.now())}
