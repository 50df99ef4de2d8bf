"""Read what changed in the sales and billing platforms since the last time.

A poll reads from a little before where the last one ended: platforms commit late. What was read before is a duplicate
at intake and nothing else. The cursor only passes what is stored; a read that fails leaves it where it was.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from django.db import InterfaceError, OperationalError

from exceptions.failures import RawItem
from q2c import clock, keys
from q2c.connectors import http, options
from q2c.connectors.options import BadOption
from q2c.connectors.outcomes import ReadFailed, Rejected, Unavailable
from q2c.engine import breaker, callouts, intake
from q2c.engine.alone import alone
from q2c.engine.sources import READING, actor_of, answering, source_of
from q2c.models import Connection, PollCursor
from q2c.reasons import Reason

log = logging.getLogger(__name__)
T = TypeVar("T")

CHUNK = 100
# Options of a connection may say otherwise: poll_overlap_s, poll_from (an instant, for the first poll).
OVERLAP_S = 120.0
FIRST_LOOK_BACK_S = 24 * 3600.0
# What was committed late has been so long after the last change; the overlap ends with a poll that read it later.
LATE_S = 900.0
# The reasons that a case about reading itself may have.
_READ_REASONS = (
    Reason.CREDENTIALS_REFUSED, Reason.REQUEST_REFUSED, Reason.RECORD_MISSING, Reason.INTERNAL_ERROR,
)  # fmt: skip


def poll_sources() -> dict[str, int]:
    """One round over every source. Returns how many new facts each gave."""
    found = {"called_out": callouts.fetch_called_out()}
    for connection in answering():
        with alone(f"poll:{connection.name}") as mine:
            if mine:
                found[connection.name] = poll(connection)
    return found


def poll(connection: Connection) -> int:
    """Take in what changed. Returns how many facts were new; never raises for what a platform or its options say."""
    new = 0
    try:
        with http.calling(keys.new_id()):
            for taken in _taken_in(connection):
                new += taken
    except ReadFailed as failure:
        _note_failure(connection, failure.outcome)
    except BadOption as wrong:
        _note_failure(connection, refused_option(wrong))
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:
        # One connection that cannot be read stops no other.
        log.exception("poll broke", extra={"connection": connection.name})
        _note_failure(connection, broken(error))
    else:
        breaker.heard(connection.name)
        intake.resolve_raw(connection.name, {READING: None}, actor_of(connection), reasons=_READ_REASONS)
        PollCursor.objects.filter(connection=connection.name).update(polled_at=clock.now(), text="")
    return new


def _taken_in(connection: Connection) -> Iterator[int]:
    """How many facts were new, chunk by chunk; what was stored stays stored whatever the next one meets."""
    begun = clock.now()
    overlap_s = options.poll_overlap_s(connection.options, OVERLAP_S)
    cursor = _cursor(connection)
    since = cursor.reached if cursor.moved_at is None else cursor.reached - clock.seconds(overlap_s)
    source = source_of(connection)
    for chunk in _chunks(source.changed(since)):
        taken, reached = source.take(chunk)
        _advance(connection, reached)
        yield taken
    if cursor.moved_at is not None and begun - cursor.moved_at > clock.seconds(LATE_S):
        # This poll saw the overlap to its end, long enough after: nothing before `reached` can come late any more.
        PollCursor.objects.filter(connection=connection.name, moved_at=cursor.moved_at).update(moved_at=None)


def _chunks(rows: Iterator[T]) -> Iterator[list[T]]:
    """What was read before a failure still counts: it is handed out before the failure is raised."""
    while True:
        chunk: list[T] = []
        failure: ReadFailed | None = None
        try:
            for row in islice(rows, CHUNK):
                chunk.append(row)
        except ReadFailed as error:
            failure = error
        if chunk:
            yield chunk
        if failure is not None:
            raise failure
        if len(chunk) < CHUNK:
            return


def _cursor(connection: Connection) -> PollCursor:
    """Where the last poll ended. The first begins at option poll_from, else a day ago: no history is billed anew."""
    first = options.poll_from(connection.options) or clock.now() - clock.seconds(FIRST_LOOK_BACK_S)
    return PollCursor.objects.get_or_create(connection=connection.name, defaults={"reached": first})[0]


def _advance(connection: Connection, reached: dt.datetime) -> None:
    """Two pollers at once never move it back."""
    PollCursor.objects.filter(connection=connection.name, reached__lt=reached).update(
        reached=reached, moved_at=clock.now()
    )


def _note_failure(connection: Connection, outcome: Rejected | Unavailable) -> None:
    log.warning("poll failed", extra={"connection": connection.name, "text": outcome.text})
    PollCursor.objects.filter(connection=connection.name).update(polled_at=clock.now(), text=outcome.text)
    if isinstance(outcome, Rejected):
        # Nobody waits for a poll, so a person must be told.
        intake.keep_raw([_read_refused(connection, outcome)], actor_of(connection))
    elif outcome.reason == Reason.PLATFORM_UNAVAILABLE:
        breaker.silent(connection.name, outcome.text)


def refused_option(wrong: BadOption) -> Rejected:
    return Rejected(
        reason=Reason.REQUEST_REFUSED, code="bad_option", field=f"options.{wrong.option}",
        text=f"{wrong}. Correct the options of the connection",
    )  # fmt: skip


def broken(error: Exception) -> Rejected:
    """Our own error, mostly a connection that is not set up: a credential or an option that its vendor needs."""
    text = f"Reading broke: {type(error).__name__}: {error}".replace("\0", "")[:1000]
    return Rejected(
        reason=Reason.INTERNAL_ERROR, code=type(error).__name__,
        text=f"{text}. Check the credentials and options of the connection",
    )  # fmt: skip


def _read_refused(connection: Connection, outcome: Rejected) -> RawItem:
    return RawItem(
        body=f"{outcome.reason} {outcome.code} {clock.today()}".encode(), source=connection.name, text=outcome.text,
        reason=outcome.reason if outcome.reason in _READ_REASONS else Reason.REQUEST_REFUSED, code=outcome.code,
        field=outcome.field, business_key=READING, content_type="text/plain",
    )  # fmt: skip
