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
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from exceptions.failures import RawItem
from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c import clock, keys
from q2c.connectors import http, options
from q2c.connectors.options import BadOption
from q2c.connectors.outcomes import ReadFailed, Rejected, Unavailable
from q2c.engine import breaker, callouts, intake, pauses, retry, watch
from q2c.engine.alone import alone
from q2c.engine.source import READING, Source, actor_of
from q2c.engine.sources import Deals, Invoices, answering, up
from q2c.engine.subscriptions import Subscriptions
from q2c.models import Connection
from q2c.models.connection import Cursor
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
            for kind in _kinds(connection):
                _tell_after_long(connection, kind, left_alone[connection.name].text)
            continue
        with alone(f"poll:{connection.name}") as mine:
            if mine:
                found[connection.name] = poll(connection)
    return found


def poll(connection: Connection) -> int:
    """Take in what changed. Returns how many facts were new; never raises for what a platform or its options say.

    What cannot be read of one kind of records holds up no other, unless the platform wants to be left alone.
    """
    told: list[tuple[int, Rejected | Unavailable | None]] = []
    for kind in _kinds(connection):
        if told and connection.name in pauses.paused():
            break
        told.append(_read(connection, kind))
    failed = [failure for _, failure in told if failure is not None]
    # Its deals or invoices say whether the platform answers: what else it keeps to itself stops no step.
    first = told[0][1]
    if first is None:
        breaker.heard(connection.name)
    elif _is_silent(first):
        breaker.silent(connection.name, first.text)
    if len(failed) < len(told) and not any(isinstance(failure, Unavailable) for failure in failed):
        pauses.over(connection.name)
    return sum(new for new, _ in told)


def _kinds(connection: Connection) -> tuple[type[Source], ...]:
    return (Deals,) if connection.service == "crm" else (Invoices, Subscriptions)


def _read(connection: Connection, kind: type[Source]) -> tuple[int, Rejected | Unavailable | None]:
    """How many facts were new, and why it did not come to its end."""
    new = 0
    failure: Rejected | Unavailable
    try:
        with http.calling(keys.new_id()):
            for taken in _taken_in(connection, kind):
                new += taken
    except ReadFailed as error:
        failure = error.outcome
    except BadOption as wrong:
        failure = refused_option(wrong)
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:
        # One connection that cannot be read stops no other.
        log.exception("poll broke", extra={"connection": connection.name})
        failure = broken(error)
    else:
        if intake.resolve_raw(connection.name, {kind.reading: None}, actor_of(connection), reasons=_READ_REASONS):
            # Whoever put it right, here or there: what steps were refused for the same may go through.
            watch.tried(connection.name, None, actor=actor_of(connection))
        now = clock.now()
        here = kind.cursors.objects.filter(connection=connection.name)
        here.update(polled_at=now, read_at=now, failing_at=None, text="")
        return new, None
    _note_failure(connection, kind, failure)
    return new, failure


def _taken_in(connection: Connection, kind: type[Source]) -> Iterator[int]:
    """How many facts were new, chunk by chunk; what was stored stays stored whatever the next one meets."""
    begun = clock.now()
    cursor = _cursor(connection, kind)
    source = kind(connection)
    for chunk in _chunks(source.changed(_since(connection, cursor))):
        taken, reached = source.take(chunk)
        _advance(cursor, reached, begun)
        yield taken
    _saw(cursor, begun)
    source.settle()


def _since(connection: Connection, cursor: Cursor) -> dt.datetime:
    """All up to `reached` that had been committed at `seen_at` is here; what came later is stamped in the overlap."""
    overlap = clock.seconds(options.poll_overlap_s(connection.options))
    if cursor.seen_at is None:
        return cursor.reached
    return min(cursor.reached, _not_before(cursor, cursor.seen_at - overlap))


def _not_before(cursor: Cursor, since: dt.datetime) -> dt.datetime:
    """What was changed before the first poll was to begin is history, and stays it."""
    return since if cursor.first is None else max(since, cursor.first)


def sweep_sources() -> dict[str, int]:
    """Once a day for each source: what no poll saw of the last days. Returns how many new facts each gave."""
    found: dict[str, int] = {}
    for connection in answering():
        for kind in _kinds(connection):
            if not _is_to_be_swept(connection, kind):
                continue
            # Of a subscription what was read last counts, so its sweeps and polls take turns.
            turn = "poll" if kind is Subscriptions else "sweep"
            with alone(f"{turn}:{connection.name}") as mine:
                if mine:
                    found[connection.name] = found.get(connection.name, 0) + sweep(connection, kind)
    return found


def _is_to_be_swept(connection: Connection, kind: type[Source]) -> bool:
    """What no poll has begun to read yet is not."""
    due = clock.now() - clock.seconds(SWEEP_EVERY_S)
    return kind.cursors.objects.filter(connection=connection.name).exclude(swept_at__gt=due).exists()


def sweep(connection: Connection, kind: type[Source]) -> int:
    """Raises nothing for what a platform says: its polls meet the same and tell a person; the next hour tries again."""
    begun, new = clock.now(), 0
    try:
        with http.calling(keys.new_id()):
            cursor = _cursor(connection, kind)
            back_s = max(SWEPT_DAYS * 24 * 3600.0, options.poll_overlap_s(connection.options))
            source = kind(connection)
            for chunk in _chunks(source.changed(_not_before(cursor, begun - clock.seconds(back_s)))):
                new += source.take(chunk)[0]
            source.look_again()
    except (InterfaceError, OperationalError):
        raise
    except Exception as error:
        pauses.note(connection.name, getattr(error, "outcome", None))
        log.warning("sweep broke", extra={"connection": connection.name}, exc_info=True)
    else:
        kind.cursors.objects.filter(connection=connection.name).update(swept_at=begun)
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


def _cursor(connection: Connection, kind: type[Source]) -> Cursor:
    """Where the last poll ended. The first begins at option poll_from, else a day ago: no history is billed anew."""
    here = kind.cursors.objects
    if (known := here.filter(connection=connection.name).first()) is not None:
        return known
    first = options.poll_from(connection.options) or clock.now() - clock.seconds(FIRST_LOOK_BACK_S)
    first = min(first, kind(connection).first() or first)
    return here.get_or_create(connection=connection.name, defaults={"reached": first, "first": first})[0]


def _advance(cursor: Cursor, reached: dt.datetime, begun: dt.datetime) -> None:
    """Two pollers at once never move it back. What ends before the cursor says nothing of the rest."""
    if _row(cursor).filter(reached__lte=reached).update(reached=reached):
        _saw(cursor, begun)


def _saw(cursor: Cursor, begun: dt.datetime) -> None:
    """All up to the cursor that had been committed when this poll began."""
    _row(cursor).filter(Q(seen_at=None) | Q(seen_at__lt=begun)).update(seen_at=begun)


def _row(cursor: Cursor) -> QuerySet[Any]:
    return type(cursor)._default_manager.filter(pk=cursor.pk)


def _note_failure(connection: Connection, kind: type[Source], outcome: Rejected | Unavailable) -> None:
    log.warning("poll failed", extra={"connection": connection.name, "text": outcome.text})
    now = clock.now()
    kind.cursors.objects.filter(connection=connection.name).update(
        polled_at=now, failing_at=Coalesce(F("failing_at"), now), text=outcome.text
    )
    if isinstance(outcome, Rejected):
        # Nobody waits for a poll, so a person must be told.
        intake.keep_raw([_read_refused(connection, kind, outcome)], actor_of(connection))
        return
    pauses.note(connection.name, outcome)
    _tell_after_long(connection, kind, outcome.text)


def _is_silent(outcome: Rejected | Unavailable) -> bool:
    return isinstance(outcome, Unavailable) and outcome.reason == Reason.PLATFORM_UNAVAILABLE


def _tell_after_long(connection: Connection, kind: type[Source], text: str) -> None:
    """What passes by itself is a person's as well once it takes longer than its policy allows.

    No breaker tells of a platform that wants less, nor of one that answers everything else. It is told in the middle of
    a pause, too, once for each stretch, and not beside a case that says what else is wrong with reading.
    """
    cursor = kind.cursors.objects.filter(connection=connection.name).first()
    if cursor is None or cursor.failing_at is None:
        return
    if clock.now() - cursor.failing_at < retry.longest(Reason.SOURCE_NOT_READ):
        return
    told = Case.objects.filter(source=connection.name, business_key=kind.reading, step_id=None, state__in=UNRESOLVED)
    if not told.exists():
        intake.keep_raw([_not_read(connection, kind, cursor, text)], actor_of(connection))


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


def _not_read(connection: Connection, kind: type[Source], cursor: Cursor, said: str) -> RawItem:
    # Pages show instants in the reader's zone and format.
    last = f"was last read {cursor.read_at:%Y-%m-%d %H:%M} UTC" if cursor.read_at else "was never read yet"
    since = f"{cursor.failing_at:%Y-%m-%d %H:%M} UTC"
    return RawItem(
        body=f"{Reason.SOURCE_NOT_READ} {cursor.failing_at}{_of(kind)}".encode(), source=connection.name,
        reason=Reason.SOURCE_NOT_READ, business_key=kind.reading, content_type="text/plain",
        text=f"{connection.called} {last}, and each try has failed since {since}: {said}",
    )  # fmt: skip


def _of(kind: type[Source]) -> str:
    """Bytes that tell two kinds of one platform apart."""
    return "" if kind.reading == READING else f" {kind.reading}"


def _read_refused(connection: Connection, kind: type[Source], outcome: Rejected) -> RawItem:
    return RawItem(
        body=f"{outcome.reason} {outcome.code} {clock.today()}{_of(kind)}".encode(),
        source=connection.name, text=outcome.text,
        reason=outcome.reason if outcome.reason in _READ_REASONS else Reason.REQUEST_REFUSED, code=outcome.code,
        field=outcome.field, business_key=kind.reading, content_type="text/plain",
    )  # fmt: skip
