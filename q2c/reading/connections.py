"""The platforms and how they are doing: breaker, last answer, what waits for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from q2c import clock
from q2c.models import Breaker, Connection, PollCursor
from q2c.reading import held, steps
from q2c.reading.steps import Standing

# Whoever was not called for so long is not known to be up.
QUIET_AFTER = dt.timedelta(hours=1)
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

    @property
    def is_trouble(self) -> bool:
        """The platform could not answer, or wants less; a refusal is its good right."""
        return self.status is None or self.status == 429 or self.status >= 500


@dataclass(frozen=True, slots=True)
class Health:
    """One active platform. `state` up | quiet (not asked for an hour) | unsteady (its last call failed) | down (calls
    are held back).

    `waiting` steps are due or on their way, `failed` need a person.

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
        rows.append(
            Health(
                connection=one,
                state=_state(breakers.get(one.name), answers.get(one.name)),
                breaker=breakers.get(one.name),
                answer=answers.get(one.name),
                polled=polled.get(one.name),
                waiting=sum(s.due for s in mine if s.state != "failed"),
                failed=sum(s.steps for s in mine if s.state == "failed"),
                oldest=steps.oldest(mine),
                held=sum(number for (_, name), number in waits.items() if name == one.name),
            )
        )
    worst_first = ("down", "unsteady", "quiet", "up")
    return sorted(rows, key=lambda row: (worst_first.index(row.state), row.connection.service, row.connection.name))


def _state(breaker: Breaker | None, answer: Answer | None) -> str:
    if breaker is not None and breaker.is_open:
        return "down"
    if answer is not None and answer.is_trouble:
        return "unsteady"
    # An old answer says nothing of now; polls are calls too.
    return "quiet" if answer is not None and clock.now() - answer.at > QUIET_AFTER else "up"
