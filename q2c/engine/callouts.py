"""What platforms call out is remembered at once and fetched soon: the fetched document is the fact, not the callout."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.signals import post_save

from exceptions import timeline
from exceptions.failures import RawItem
from exceptions.models import Case, CaseEvent
from exceptions.models.case import CALLED, UNRESOLVED, called
from q2c import clock, keys
from q2c.connectors import http
from q2c.connectors.outcomes import Rejected, Unavailable
from q2c.engine import breaker, intake, pauses, wake
from q2c.engine.alone import alone
from q2c.engine.reads import Again
from q2c.engine.source import READS, actor_of
from q2c.engine.sources import FETCHERS_MAX, POLLED, TAKEN_IN, answering, is_outage, source_of
from q2c.engine.unread import READABLE_AGAIN
from q2c.models import Callout, Connection, LatestRead
from q2c.reasons import TRANSIENT, Reason

log = logging.getLogger(__name__)

CALLOUTS_AT_ONCE = 200
AGAIN_MAX = 10_000
# Between tries, as long as the platform does not answer: the close of a month may wait for it. A person is told after
# some nine minutes.
WAITS_S = (2, 10, 60, 120)
TELL_AFTER = 8
# On the timeline of a case: that a person had it read again, and what came of that.
ASKED, READ = "asked_again", "read_again"


def call_out(connection: Connection, references: Iterable[str], correlation_id: uuid.UUID) -> int:
    """Remember what a platform named, so that it is fetched soon whatever happens. Returns how many."""
    count = Callout.remember(connection.name, references, correlation_id)
    wake.task_after_commit("fetch_called_out")
    return count


def unread(connection: str) -> QuerySet[Case]:
    """What this platform gave, could not be read, and is still somebody's case."""
    return _kept(connection).filter(state__in=UNRESOLVED)


def _kept(connection: str) -> QuerySet[Case]:
    kept = Case.objects.filter(source=connection, step_id=None, raw_hash__isnull=False)
    # Of a subscription no document is to be had.
    return kept.exclude(business_key__in=("", *READS)).exclude(reason=Reason.SUBSCRIPTION_CUT_SHORT)


def read_again(connection: Connection, waiting: QuerySet[Case] | None = None) -> int:
    """Fetch what could not be read once more, all of it or some: no poll does, while it does not change there.

    What was missing may be here now, or have been put right where a change is not told. Returns how many.
    """
    cases = unread(connection.name) if waiting is None else waiting
    references = list(cases.order_by("due_at").values_list(CALLED, flat=True)[:AGAIN_MAX])
    return call_out(connection, references, keys.new_id()) if references else 0


def listen() -> None:
    """A connection that was changed may read now what it could not."""
    post_save.connect(_changed, sender=Connection, dispatch_uid="q2c.callouts.connection")


def _changed(instance: Connection, raw: bool = False, **_: Any) -> None:
    if not raw and instance.active and instance.service in POLLED:
        # What it wanted less of may be allowed now.
        pauses.lift([instance.name])
        transaction.on_commit(partial(read_again, instance), robust=True)


def fetch_called_out() -> int:
    """Fetch what was called out and is due. Returns how many came to an end."""
    done = 0
    for connection in answering():
        with alone(f"fetch:{connection.name}") as mine:
            if mine:
                try:
                    done += _fetch_of(connection)
                except (InterfaceError, OperationalError):
                    raise
                except Exception:
                    # Its poll meets the same and tells a person; what was called out waits.
                    log.exception("fetching broke", extra={"connection": connection.name})
    return done


def _fetch_of(connection: Connection) -> int:
    """Some at a time: what was read is taken in soon, not when the slowest of hundreds has come."""
    due = Callout.objects.filter(connection=connection.name, done_at=None, next_at__lte=clock.now())
    callouts = list(due.order_by("next_at")[:CALLOUTS_AT_ONCE])
    if not callouts:
        return 0
    source, done, found = source_of(connection), 0, []
    for i in range(0, len(callouts), FETCHERS_MAX):
        some = callouts[i : i + FETCHERS_MAX]
        began = LatestRead.begin()
        with http.calling(some[0].correlation_id):
            came = source.fetch([callout.reference for callout in some])
        found += came
        done += sum(_took(source, callout, one, began) for callout, one in zip(some, came, strict=True))
        if any(_wants_less(connection, one) for one in came):
            break
    if is_outage(found):
        breaker.silent(connection.name, found[-1].text)
    return done


def _wants_less(connection: Connection, document: Any) -> bool:
    """What is left of those called out then waits for the end of the pause."""
    return pauses.note(connection.name, document) is not None


def _took(source: Any, callout: Callout, document: Any, began: int) -> int:
    """Take in what was fetched. Returns how many callouts came to an end."""
    connection = source.connection
    if isinstance(document, Unavailable) or (isinstance(document, Rejected) and connection.service == "crm"):
        _later(connection, callout, document)
        return 0
    text = source.take_fetched(callout.reference, document, began)
    if isinstance(text, Again):
        Callout.objects.filter(pk=callout.pk).update(next_at=clock.now(), text=text[:400])
        return 0
    _tell_who_asked(connection, callout.reference, text)
    # Called out once more while it was fetched: then it is fetched once more.
    same = Callout.objects.filter(pk=callout.pk, called_at=callout.called_at)
    return same.update(done_at=clock.now(), text=text[:400], tries=F("tries") + 1)


def ask_again(connection: Connection, case_id: uuid.UUID, actor: str) -> None:
    """Fetch one of them once more for a person, who is told on its timeline what came of it."""
    with transaction.atomic():
        pauses.lift([connection.name])
        read_again(connection, unread(connection.name).filter(id=case_id))
        timeline.record([(case_id, ASKED, f"{connection.name} is asked for it again", {})], actor)


def _tell_who_asked(connection: Connection, reference: str, text: str, kind: str = READ) -> None:
    """Of cases that somebody had read again: what became of it, where that did not end them."""
    kinds = (ASKED, READ, READABLE_AGAIN)
    last = CaseEvent.objects.filter(case=OuterRef("pk"), kind__in=kinds).order_by("-id").values("kind")[:1]
    stand = _kept(connection.name).filter(state__in=(*UNRESOLVED, "closed_without_fix"))
    asked = stand.filter(called([reference])).annotate(last=Subquery(last)).filter(last=ASKED)
    came = "It can be read now" if text == TAKEN_IN else f"Not settled by it: {text}"
    told: list[timeline.Entry] = [(case_id, kind, came, {}) for case_id in asked.values_list("id", flat=True)]
    timeline.record(told, actor_of(connection))


def _later(connection: Connection, callout: Callout, said: Unavailable | Rejected) -> None:
    """Tried again for ever; a person is told once it takes long, and once more where it is theirs by then."""
    wait_s, tries = WAITS_S[min(callout.tries, len(WAITS_S) - 1)], callout.tries + 1
    Callout.objects.filter(pk=callout.pk).update(
        tries=F("tries") + 1, next_at=clock.now() + clock.seconds(wait_s), text=said.text[:400]
    )
    if tries == 1:
        _tell_who_asked(connection, callout.reference, f"{said.text}. It is asked again until it answers", ASKED)
    if tries == TELL_AFTER or (tries > TELL_AFTER and said.reason not in TRANSIENT):
        intake.keep_raw([_not_given(connection, callout, said)], actor_of(connection))


def _not_given(connection: Connection, callout: Callout, said: Unavailable | Rejected) -> RawItem:
    """Once for each reason: as that becomes another, its case takes the place of the one before."""
    is_silent = said.reason == Reason.PLATFORM_UNAVAILABLE
    told = f"{callout.reference} {callout.pk}" + ("" if is_silent else f" {said.reason}")
    code, field = (said.code, said.field) if isinstance(said, Rejected) else ("", "")
    return RawItem(
        body=told.encode(), source=connection.name, text=said.text, reason=said.reason, content_type="text/plain",
        business_key=callout.reference, correlation_id=callout.correlation_id, code=code, field=field,
    )  # fmt: skip
