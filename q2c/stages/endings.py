"""What cancelling an order ends in billing: one subscription after the other, each looked up before it is cancelled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from q2c import clock
from q2c.connectors.outcomes import Lookup, NotFound, Outcome, Posted, Rejected, Unavailable, Unknown
from q2c.models import Order, Step
from q2c.models.subscription import ENDED
from q2c.reasons import Reason
from q2c.stages.provision_billing import subscription_number
from q2c.stages.verb import OpenPort, Work

# So long after it was sent, a job that billing does not know has ended.
_FORGOTTEN = dt.timedelta(days=1)
# What ails one subscription is no reason to have the others billed on.
_OF_ONE = frozenset(
    {Reason.SUBSCRIPTION_REFUSED, Reason.SUBSCRIPTION_ENDED, Reason.RECORD_MISSING, Reason.CONTENT_DIFFERS}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """One subscription to cancel. `maybe`: its step was given up after something had left, so it need not be there.

    `job` is what billing may still make of it, asked about under that step's `key`.
    """

    connection: str
    number: str
    group: str
    on: dt.date
    maybe: bool = False
    job: str = ""
    key: str = ""
    sent_at: dt.datetime | None = None


def of(order: Order, effective_on: dt.date, kept: Collection[str]) -> list[Ending]:
    """What of an order is to be cancelled in billing: what stands there for all we know, and what may.

    `kept` are the numbers that billing has cancelled already.
    """
    # As they were made: what is cancelled first, where billing stops in the middle, is no matter of chance.
    subscriptions = sorted(order.subscriptions.all(), key=lambda one: one.id)
    live = [
        Ending(connection=s.connection, number=s.number, group=s.group, on=max(effective_on, s.starts_on))
        for s in subscriptions
        if s.state not in ENDED
    ]
    known = {s.group for s in subscriptions}
    on = max(effective_on, order.starts_on)
    maybe = [
        Ending(
            connection=step.connection, number=subscription_number(order, group), group=group, on=on, maybe=True,
            job=step.handle, key=step.key, sent_at=step.sent_at,
        )
        for group, step in _left_there(order)
        if group not in known
    ]  # fmt: skip
    return [ending for ending in live + maybe if ending.number not in kept]


def cancel(open_port: OpenPort, work: Work) -> Outcome:
    """Each in turn, until billing is not to be had. What it has cancelled by then is kept on the step."""
    said = _each(open_port, work, lambda port, one: port.cancel(one.number, one.on, work.step.key))
    return cast("Outcome", said)


def look_up(open_port: OpenPort, work: Work) -> Lookup:
    """Whether billing has cancelled all of them; what it has is kept on the step."""
    said = _each(open_port, work, lambda port, one: port.is_cancelled(one.number, one.on, work.step.key))
    return cast("Lookup", said)


def _each(open_port: OpenPort, work: Work, ask: Callable[[Any, Ending], Outcome | Lookup]) -> Outcome | Lookup:
    """All of them together; or the first answer that ends it; or, at the end, that one of them goes on, or why some
    are refused.
    """
    absent: list[Posted] = []
    nothing: NotFound | None = None
    refused: list[Rejected] = []
    for ending in work.request:
        if ending.number in work.kept:
            continue
        if going_on := _still_made(open_port, ending):
            return going_on
        searched_at = clock.now()
        said = ask(open_port(ending.connection), ending)
        if _is_not_there(ending, said):
            absent.append(_nothing_there(ending, searched_at))
        elif isinstance(said, Posted):
            _keep(work, ending, said)
        elif isinstance(said, NotFound):
            nothing = nothing or said
        elif isinstance(said, Rejected) and said.reason in _OF_ONE:
            refused.append(said)
        else:
            return said
    # What goes on is still to be cancelled, whatever is said of the others.
    return nothing or _refused(refused) or together(work, absent)


def _refused(said: Sequence[Rejected]) -> Rejected | None:
    """The first, in the words of all; held where one of them is."""
    if not said:
        return None
    return replace(said[0], text="; ".join(one.text for one in said), held=any(one.held for one in said))


def together(work: Work, absent: Sequence[Posted] = ()) -> Posted:
    """The cancellations together, under the documents that people see; `absent` are those that were never there."""
    kept = [work.kept[name] for name in sorted(work.kept)]
    proof: list[dict[str, Any]] = [*kept, *(one.proof | {"document": "", "found": True} for one in absent)]
    return Posted(
        reference=", ".join(one["reference"] for one in kept)[:200],
        document=", ".join(one["document"] for one in kept if one["document"])[:200],
        found=all(one["found"] for one in kept),
        proof={"cancelled": proof},
    )


def _keep(work: Work, ending: Ending, done: Posted) -> None:
    """As of billing's day, and with the one asked for where that is another."""
    on, told = done.as_of or ending.on, {"asked": ending.on.isoformat()} if done.as_of else {}
    work.keep(ending.number, done, group=ending.group, on=on.isoformat(), **told)


def _still_made(open_port: OpenPort, ending: Ending) -> Unavailable | None:
    """Billing still works on what was given up: until it has come to something, nothing there is no proof."""
    if not ending.job:
        return None
    said = open_port(ending.connection).poll(ending.job, ending.key)
    if isinstance(said, Posted) or (isinstance(said, Rejected) and not said.held):
        return None
    if isinstance(said, Unknown) and ending.sent_at and clock.now() > ending.sent_at + _FORGOTTEN:
        # It does not know the job any more: what it made would be readable by now.
        return None
    text = f"{ending.connection} may still make {ending.number} by job {ending.job}; it is cancelled after that"
    return Unavailable(text=text, reason=Reason.PLATFORM_BUSY)


def _left_there(order: Order) -> Iterable[tuple[str, Step]]:
    """Groups whose step was given up although something of it had left for billing."""
    if order.state == "cancelled":
        return ()
    given_up = Step.objects.filter(
        stage="provision_billing", business_key=order.number, state="abandoned", sent_at__isnull=False
    )
    return {step.part: step for step in given_up.order_by("seq")}.items()


def _is_not_there(ending: Ending, said: Outcome | Lookup) -> bool:
    return ending.maybe and isinstance(said, Rejected) and said.reason == Reason.RECORD_MISSING


def _nothing_there(ending: Ending, searched_at: dt.datetime) -> Posted:
    proof = {"searched_at": searched_at.isoformat(), "not_there": ending.number}
    return Posted(reference="", found=True, proof=proof)
