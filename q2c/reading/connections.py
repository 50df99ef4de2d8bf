"""The platforms and how they are doing: breaker, last answer, what waits for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from q2c.models import Breaker, Connection, PollCursor
from q2c.reading import held, steps
from q2c.reading.steps import Standing

_LAST = """
SELECT c.name, a.at, a.status, a.duration_ms, a.error FROM unnest(%s::text[]) AS c(name)
CROSS JOIN LATERAL (SELECT at, status, duration_ms, error FROM q2c_attempt
                    WHERE connection = c.name ORDER BY id DESC LIMIT 1) AS a
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The last call: when, the HTTP status (None: no answer came), how long it took, and what went wrong."""

    at: dt.datetime
    status: int | None
    duration_ms: int
    error: str


@dataclass(frozen=True, slots=True)
class Health:
    """One active platform. `state` up | down; `waiting` steps are due or on their way, `failed` need a person.

    `held` of those that wait are behind another step, whatever the platform does.
    """

    connection: Connection
    state: str
    breaker: Breaker | None
    answer: Answer | None
    polled: PollCursor | None
    waiting: int
    failed: int
    oldest: dt.datetime | None
    held: int = 0


def health(
    user: Any, standing: Sequence[Standing] | None = None, behind: Mapping[tuple[str, str], int] | None = None
) -> list[Health]:
    """Every active platform that the user may see, those that are down first; five statements."""
    seen = list(Connection.objects.visible_to(user).filter(active=True).defer("credentials").order_by("name"))
    if not seen:
        return []
    names = [one.name for one in seen]
    found = steps.standing(user) if standing is None else standing
    waits = held.counts(user) if behind is None else behind
    breakers = {row.connection: row for row in Breaker.objects.filter(connection__in=names)}
    polled = {row.connection: row for row in PollCursor.objects.filter(connection__in=names)}
    with connection.cursor() as cursor:
        cursor.execute(_LAST, [names])
        answers = {row[0]: Answer(*row[1:]) for row in cursor.fetchall()}
    rows = []
    for one in seen:
        mine = [s for s in found if s.connection == one.name]
        breaker = breakers.get(one.name)
        rows.append(
            Health(
                connection=one,
                state="down" if breaker and breaker.is_open else "up",
                breaker=breaker,
                answer=answers.get(one.name),
                polled=polled.get(one.name),
                waiting=sum(s.due for s in mine if s.state != "failed"),
                failed=sum(s.steps for s in mine if s.state == "failed"),
                oldest=steps.oldest(mine),
                held=sum(number for (_, name), number in waits.items() if name == one.name),
            )
        )
    return sorted(rows, key=lambda row: (row.state != "down", row.connection.service, row.connection.name))
