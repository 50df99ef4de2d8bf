"""What the steps stand at: read from those that are still open, which are few whatever the history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection

from q2c import clock
from q2c.models.step import OPEN

_OPEN = """
SELECT stage, connection, state, count(*), count(*) FILTER (WHERE next_at <= %s),
       min(created_at) FILTER (WHERE next_at <= %s OR state IN ('failed', 'running'))
FROM q2c_step WHERE state IN ({open}) GROUP BY 1, 2, 3
""".format(open=", ".join(f"'{state}'" for state in OPEN))


@dataclass(frozen=True, slots=True)
class Standing:
    """Open steps of one stage, connection and state. `due` leaves out what waits for a later day; `oldest` too."""

    stage: str
    connection: str
    state: str
    steps: int
    due: int
    oldest: dt.datetime | None


def standing(user: Any) -> list[Standing]:
    """Every open step, counted; one statement over the open ones. Nothing without the right to see steps."""
    if not (user.is_active and user.has_perm("q2c.view_step")):
        return []
    moment = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [moment, moment])
        return [Standing(*row) for row in cursor.fetchall()]


def by_state(found: Iterable[Standing]) -> dict[str, int]:
    """How many in each state; what waits for a later day is `later`, apart from what waits now."""
    sums: dict[str, int] = {}
    for one in found:
        later = one.steps - one.due if one.state == "waiting" else 0
        if one.steps - later:
            sums[one.state] = sums.get(one.state, 0) + one.steps - later
        if later:
            sums["later"] = sums.get("later", 0) + later
    return sums


def oldest(found: Iterable[Standing]) -> dt.datetime | None:
    return min((one.oldest for one in found if one.oldest), default=None)
