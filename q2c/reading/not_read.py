"""Whether all that billing has is read: what a month ties out to is billing as it was last read, and no later."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Exists, Max, Min, OuterRef, Q

from exceptions.sentences import count
from q2c import clock
from q2c.models import Callout, Connection, PollCursor, Subscription
from q2c.models.subscription import ENDED
from q2c.reading.connections import UNREAD_AFTER, is_unread

_OFF = "it is switched off"


@dataclass(frozen=True, slots=True)
class NotRead:
    """Of one billing platform, which is `called` so: whether it is not read to its end, when it last was, and why; and
    how many records it called out that could not be fetched yet, the first of them at `called_out_at`, with why not.
    """

    called: str
    is_unread: bool
    read_at: dt.datetime | None
    why: str
    called_out: int
    called_out_at: dt.datetime | None
    not_fetched: str

    def __str__(self) -> str:
        """In UTC and without its full stop: kept with a closing so, and shown by pages as their reader writes it."""
        parts = []
        if self.is_unread:
            read = f"was last read {_at(self.read_at)}" if self.read_at else "was never read"
            parts.append(f"{self.called} {read}{_because(self.why)}")
        if self.called_out and self.called_out_at:
            are = "is" if self.called_out == 1 else "are"
            parts.append(
                f"{count(self.called_out, 'document')} that {self.called} called out since {_at(self.called_out_at)} "
                f"{are} not fetched{_because(self.not_fetched)}"
            )
        return f"{'; '.join(parts)}; what it issued or changed since is not counted"


def of_billing() -> list[NotRead]:
    """Those of which something is not read, by name, for whoever reads what rests on it; three statements at most."""
    # One that was switched off and has subscriptions goes on to bill them.
    bills = Subscription.objects.filter(connection=OuterRef("name")).exclude(state__in=ENDED)
    billing = Connection.objects.filter(service="billing").defer("credentials").order_by("name")
    there = {one.name: one for one in billing.filter(Q(active=True) | Q(Exists(bills)))}
    if not there:
        return []
    cursors = {one.connection: one for one in PollCursor.objects.filter(connection__in=there)}
    # What was called out just now is on its way, unless others wait already.
    late = Q(tries__gt=0) | Q(called_at__lt=clock.now() - UNREAD_AFTER)
    waiting = Callout.objects.filter(connection__in=there, done_at=None).order_by("connection")
    told = waiting.values_list("connection").annotate(late=Count("id", filter=late)).filter(late__gt=0)
    counted = told.annotate(n=Count("id"), at=Min("called_at"), why=Max("text"))
    counted = counted.values_list("connection", "n", "at", "why")
    callouts = {name: (number, at, why) for name, number, at, why in counted}
    found = [_of(one, cursors.get(name), *callouts.get(name, (0, None, ""))) for name, one in there.items()]
    return [one for one in found if one.is_unread or one.called_out]


def _of(one: Connection, cursor: PollCursor | None, called_out: int, at: dt.datetime | None, why: str) -> NotRead:
    return NotRead(
        called=one.called,
        # One poll that failed is enough: until the next one nobody knows.
        is_unread=not one.active or is_unread(cursor) or (cursor is not None and cursor.failing_at is not None),
        read_at=cursor.read_at if cursor else None,
        why=_OFF if not one.active else cursor.text if cursor else "",
        called_out=called_out,
        called_out_at=at,
        not_fetched=why,
    )


def _because(why: str) -> str:
    return f" ({why.rstrip('.')})" if why else ""


def _at(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
