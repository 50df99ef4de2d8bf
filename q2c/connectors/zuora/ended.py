"""A subscription that Zuora ends without us, since people cancel there by hand: what that means for what we ask."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from q2c import clock
from q2c.connectors.outcomes import Blocker, Posted, Rejected
from q2c.connectors.ports import SubscriptionNotice
from q2c.reasons import Reason

# The condition of a subscription that ends on another day than ours, followed by Zuora's.
ENDS_ON = "ended as of "
_NO_DAY = "a day that it does not say"


@dataclass(frozen=True, slots=True)
class End:
    """From `on` nothing is billed any more; None where Zuora says no day. By its term, where not `is_cancelled`."""

    on: dt.date | None
    is_cancelled: bool

    @property
    def told(self) -> str:
        return str(self.on or _NO_DAY)

    def by(self, day: dt.date) -> bool:
        """Whether it has ended when that day begins."""
        return self.on is not None and self.on <= day


def of(found: Mapping[str, Any]) -> End:
    """As GET /v1/subscriptions/{number} reads: subscriptionEndDate is the day of the term or of the cancellation."""
    ends, term, scheduled = (_day(found, name) for name in ("subscriptionEnd", "termEnd", "scheduledCancel"))
    short = ends is not None and term is not None and ends < term
    if found.get("status") == "Cancelled" or scheduled or short:
        return End(min((day for day in (ends, scheduled) if day), default=None), is_cancelled=True)
    # One that renews goes on after the end of its term.
    return End(None if found.get("autoRenew") else ends, is_cancelled=False)


def notice(row: Mapping[str, Any], changed_at: dt.datetime) -> SubscriptionNotice:
    """Of a row of /object-query/subscriptions. What was cancelled and says no day has ended when it was changed."""
    end = of(row)
    on = end.on or (_day(row, "cancelled") or changed_at.date() if end.is_cancelled else None)
    return SubscriptionNotice(
        number=str(row.get("name") or ""), ends_on=on, cancelled=end.is_cancelled, changed_at=changed_at
    )


def read(number: str, found: Mapping[str, Any]) -> SubscriptionNotice:
    """The same of one that was just read by its number."""
    end, now = of(found), clock.now()
    on = end.on or (now.date() if end.is_cancelled else None)
    return SubscriptionNotice(number=number, ends_on=on, cancelled=end.is_cancelled, changed_at=now)


def as_asked(end: End, connection: str, subscription: str, on: dt.date) -> End | Rejected | None:
    """What is asked to be cancelled as of `on` has ended by then; or ends later there; or, None, goes on."""
    if end.by(on):
        return end
    if not end.is_cancelled:
        return None
    text = f"Zuora ends subscription {subscription} as of {end.told}, cancelled there; it was asked for as of {on}"
    return refused(end, connection, subscription, text)


def before_phase(end: End, connection: str, subscription: str, phase: int, on: dt.date) -> Rejected | None:
    """What has ended when its phase begins is not activated any more."""
    if not end.by(on) and not (end.is_cancelled and end.on is None):
        return None
    text = f"Zuora has ended subscription {subscription} as of {end.told}; its phase {phase} was to begin on {on}"
    return refused(end, connection, subscription, text)


def refused(end: End, connection: str, subscription: str, text: str) -> Rejected:
    blocker = Blocker(
        connection=connection, object_type="subscription", object_key=subscription, condition=f"{ENDS_ON}{end.told}"
    )
    return Rejected(reason=Reason.SUBSCRIPTION_ENDED, text=text, blocker=blocker)


def done(end: End, subscription: str, document: str, on: dt.date, searched_at: dt.datetime) -> Posted:
    """Ended as asked, or before: then `as_of` is the day. `document` is our order that did it, if any."""
    proof = {"found_at": searched_at.isoformat(), "compared": {"date": end.told}}
    return Posted(
        reference=subscription, document=document or subscription, found=True, proof=proof,
        as_of=None if end.on == on else end.on,
    )  # fmt: skip


def _day(found: Mapping[str, Any], name: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(str(found.get(f"{name}Date") or ""))
    except ValueError:
        return None
