"""The platforms and how they are doing: breaker, last answer, what waits for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from q2c import clock
from q2c.engine.sources import POLLED
from q2c.models import Breaker, Connection, PollCursor
from q2c.reading import held, steps
from q2c.reading.steps import Standing

# Whoever was not called for so long is not known to be up.
QUIET_AFTER = dt.timedelta(hours=1)
# A source is read every twenty seconds: one that was not for so long has nobody who reads it, or lets nobody.
UNREAD_AFTER = dt.timedelta(minutes=2)
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
    """One active platform. `state` up | quiet (not asked for an hour, or ever) | unsteady (its last call failed) |
    unread (a source whose changes do not come, or never did) | down (calls are held back).

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

    @property
    def left_alone_until(self) -> dt.datetime | None:
        """Of a source that wants fewer calls: when its changes are read again."""
        until = self.polled.not_before if self.polled is not None else None
        return until if until is not None and until > clock.now() else None

    @property
    def was_polled_last(self) -> bool:
        """A poll is the last that it said something to."""
        at = self.polled.polled_at if self.polled is not None else None
        return at is not None and (self.answer is None or self.answer.at < at)


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
                state=_state(one, breakers.get(one.name), answers.get(one.name), polled.get(one.name)),
                breaker=breakers.get(one.name),
                answer=answers.get(one.name),
                polled=polled.get(one.name),
                waiting=sum(s.due for s in mine if s.state != "failed"),
                failed=sum(s.steps for s in mine if s.state == "failed"),
                oldest=steps.oldest(mine),
                held=sum(number for (_, name), number in waits.items() if name == one.name),
            )
        )
    worst_first = ("down", "unread", "unsteady", "quiet", "up")
    return sorted(rows, key=lambda row: (worst_first.index(row.state), row.connection.service, row.connection.name))


def _state(one: Connection, breaker: Breaker | None, answer: Answer | None, polled: PollCursor | None) -> str:
    """By the last it said, to a step or to a poll; polls leave no attempts behind."""
    if breaker is not None and breaker.is_open:
        return "down"
    if one.service in POLLED and is_unread(polled):
        return "unread"
    said = [(answer.at, answer.is_trouble)] if answer is not None else []
    if polled is not None and polled.polled_at is not None:
        said.append((polled.polled_at, bool(polled.text)))
    if not said:
        return "quiet"
    at, trouble = max(said)
    if trouble:
        return "unsteady"
    # What is old says nothing of now.
    return "quiet" if clock.now() - at > QUIET_AFTER else "up"


def is_unread(polled: PollCursor | None) -> bool:
    """A try that failed is no read, and what steps are answered there tells nothing of its changes."""
    return polled is None or polled.read_at is None or clock.now() - polled.read_at > UNREAD_AFTER
