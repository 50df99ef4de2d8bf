"""Read what changed in the sales and billing platforms since the last time.

Platforms stamp a change when it begins and show it when it commits, so a poll reads again what is stamped up to a
quarter of an hour before the last one began; and once a day a sweep reads what is stamped in the last days. Both read
ids and stamps only: what was fetched as of that stamp is not fetched again (`Fetched`). The cursor only passes what is
stored; a read that fails leaves it where it was.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from exceptions.failures import RawItem
from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c import clock, keys
from q2c.connectors import http, options
from q2c.connectors.options import BadOption
from q2c.connectors.outcomes import ReadFailed, Rejected, Unavailable
from q2c.engine import breaker, callouts, intake, pauses, retry
from q2c.engine.alone import alone
from q2c.engine.sources import READING, actor_of, answering, source_of, up
from q2c.models import Connection, PollCursor
from q2c.reasons import Reason

log = logging.getLogger(__name__)
T = TypeVar("T")

CHUNK = 100
# Options of a connection may say otherwise: poll_overlap_s, poll_from (an instant, for the first poll).
FIRST_LOOK_BACK_S = 24 * 3600.0
SWEPT_DAYS, SWEEP_EVERY_S = 3, 24 * 3600.0
# The reasons that a case about reading itself may have.
_READ_REASONS = (
    Reason.CREDENTIALS_REFUSED, Reason.REQUEST_REFUSED, Reason.RECORD_MISSING, Reason.SOURCE_NOT_READ,
    Reason.INTERNAL_ERROR,
)  # fmt: skip


def poll_sources() -> dict[str, int]:
    """One round over every source. Returns how many new facts each gave."""
    found = {"called_out": callouts.fetch_called_out()}
    left_alone = pauses.paused()
    for connection in up():
        if connection.name in left_alone:
            _tell_after_long(connection, left_alone[connection.name].text)
            continue
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
        pauses.over(connection.name)
        intake.resolve_raw(connection.name, {READING: None}, actor_of(connection), reasons=_READ_REASONS)
        now = clock.now()
        here = PollCursor.objects.filter(connection=connection.name)
        here.update(polled_at=now, read_at=now, failing_at=None, text="")
    return new


def _taken_in(connection: Connection) -> Iterator[int]:
    """How many facts were new, chunk by chunk; what was stored stays stored whatever the next one meets."""
    begun = clock.now()
    cursor = _cursor(connection)
    source = source_of(connection)
    for chunk in _chunks(source.changed(_since(connection, cursor))):
        taken, reached = source.take(chunk)
        _advance(connection, reached, begun)
        yield taken
    _saw(connection, begun)


def _since(connection: Connection, cursor: PollCursor) -> dt.datetime:
    """All up to `reached` that had been committed at `seen_at` is here; what came later is stamped in the overlap."""
    overlap = clock.seconds(options.poll_overlap_s(connection.options))
    if cursor.seen_at is None:
        return cursor.reached
    return min(cursor.reached, _not_before(cursor, cursor.seen_at - overlap))


def _not_before(cursor: PollCursor, since: dt.datetime) -> dt.datetime:
    """What was changed before the first poll was to begin is history, and stays it."""
    return since if cursor.first is None else max(since, cursor.first)


def sweep_sources() -> dict[str, int]:
    """Once a day for each source: what no poll saw of the last days. Returns how many new facts each gave."""
    due = clock.now() - clock.seconds(SWEEP_EVERY_S)
    ready = PollCursor.objects.exclude(swept_at__gt=due).values_list("connection", flat=True)
    found = {}
    for connection in answering():
        if connection.name in set(ready):
            with alone(f"sweep:{connection.name}") as mine:
                if mine:
                    found[connection.name] = sweep(connection)
    return found


def sweep(connection: Connection) -> int:
    """Raises nothing for what a platform says: its polls meet the same and tell a person; the next hour tries again."""
    begun, new = clock.now(), 0
    try:
        with http.calling(keys.new_id()):
            cursor = _cursor(connection)
            back_s = max(SWEPT_DAYS * 24 * 3600.0, options.poll_overlap_s(connection.options))
            source = source_of(connection)
            for chunk in _chunks(source.changed(_not_before(cursor, begun - clock.seconds(back_s)))):
                new += source.take(chunk)[0]
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:
        pauses.note(connection.name, getattr(error, "outcome", None))
        log.warning("sweep broke", extra={"connection": connection.name}, exc_info=True)
    else:
        PollCursor.objects.filter(connection=connection.name).update(swept_at=begun)
    if new:
        log.warning("polls had missed changes", extra={"connection": connection.name, "changes": new})
    return new


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
    defaults = {"reached": first, "first": first}
    return PollCursor.objects.get_or_create(connection=connection.name, defaults=defaults)[0]


def _advance(connection: Connection, reached: dt.datetime, begun: dt.datetime) -> None:
    """Two pollers at once never move it back. What ends before the cursor says nothing of the rest."""
    if PollCursor.objects.filter(connection=connection.name, reached__lte=reached).update(reached=reached):
        _saw(connection, begun)


def _saw(connection: Connection, begun: dt.datetime) -> None:
    """All up to the cursor that had been committed when this poll began."""
    earlier = Q(seen_at=None) | Q(seen_at__lt=begun)
    PollCursor.objects.filter(earlier, connection=connection.name).update(seen_at=begun)


def _note_failure(connection: Connection, outcome: Rejected | Unavailable) -> None:
    log.warning("poll failed", extra={"connection": connection.name, "text": outcome.text})
    now = clock.now()
    PollCursor.objects.filter(connection=connection.name).update(
        polled_at=now, failing_at=Coalesce(F("failing_at"), now), text=outcome.text
    )
    if isinstance(outcome, Rejected):
        # Nobody waits for a poll, so a person must be told.
        intake.keep_raw([_read_refused(connection, outcome)], actor_of(connection))
        return
    if outcome.reason == Reason.PLATFORM_UNAVAILABLE:
        breaker.silent(connection.name, outcome.text)
    pauses.note(connection.name, outcome)
    _tell_after_long(connection, outcome.text)


def _tell_after_long(connection: Connection, text: str) -> None:
    """What passes by itself is a person's as well once it takes longer than its policy allows.

    No breaker tells of a platform that wants less, nor of one that answers everything else. It is told in the middle of
    a pause, too. Told once for each stretch,
    and not beside a case that says what else is wrong with reading.
    """
    cursor = PollCursor.objects.filter(connection=connection.name).first()
    if cursor is None or cursor.failing_at is None:
        return
    if clock.now() - cursor.failing_at < retry.longest(Reason.SOURCE_NOT_READ):
        return
    told = Case.objects.filter(source=connection.name, business_key=READING, step_id=None, state__in=UNRESOLVED)
    if not told.exists():
        intake.keep_raw([_not_read(connection, cursor, text)], actor_of(connection))


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


def _not_read(connection: Connection, cursor: PollCursor, said: str) -> RawItem:
    # Pages show instants in the reader's zone and format.
    last = f"was last read {cursor.read_at:%Y-%m-%d %H:%M} UTC" if cursor.read_at else "was never read yet"
    since = f"{cursor.failing_at:%Y-%m-%d %H:%M} UTC"
    return RawItem(
        body=f"{Reason.SOURCE_NOT_READ} {cursor.failing_at}".encode(), source=connection.name,
        reason=Reason.SOURCE_NOT_READ, business_key=READING, content_type="text/plain",
        text=f"{connection.called} {last}, and each try has failed since {since}: {said}",
    )  # fmt: skip


def _read_refused(connection: Connection, outcome: Rejected) -> RawItem:
    return RawItem(
        body=f"{outcome.reason} {outcome.code} {clock.today()}".encode(), source=connection.name, text=outcome.text,
        reason=outcome.reason if outcome.reason in _READ_REASONS else Reason.REQUEST_REFUSED, code=outcome.code,
        field=outcome.field, business_key=READING, content_type="text/plain",
    )  # fmt: skip
