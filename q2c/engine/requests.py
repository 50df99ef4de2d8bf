"""What a person asks for on a page enters as every other fact does: an event, kept for ever, that calls for steps."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from typing import Any

import msgspec

from exceptions.errors import NotPossible, Refused
from ledger import journal, periods
from ledger.models import JournalEntry
from q2c import clock, keys, states
from q2c.contracts.events import EVENTS, JournalReversalRequested, OrderCancelRequested
from q2c.engine import emit
from q2c.engine.emit import Incoming, Stored
from q2c.models import Order, Step
from q2c.models.order import OPEN as OPEN_ORDERS
from q2c.models.step import OPEN
from q2c.stages import cancellations, in_part
from q2c.stages.asking import PERSON
from q2c.stages.controls.calendar import term_end

CANCEL = "q2c.cancel_order"
REVERSE = "ledger.reverse_journalentry"
REASON_MAX = 400
MONTHS_NAMED = 6


def cancel_order(user: Any, order: Order, effective_on: dt.date, reason: str, token: str = "") -> Stored:
    """Ask that an order be undone. Raises Refused without the right, NotPossible where there is nothing to undo.

    A request that failed, or waits for another day, gives its place to this one, unless billing has done part of it.
    The same `token` again is the same request: two presses of one button ask once.
    """
    _require(user, CANCEL, "cancel an order")
    said = _reason(reason)
    with states.acting(user.get_username(), said):
        current = Order.objects.select_for_update().get(id=order.id)
        if current.state not in OPEN_ORDERS:
            raise NotPossible(f"Order {order.number} is {current.state}; there is nothing left to cancel")
        if cancellations.is_past_its_end(current, effective_on):
            raise NotPossible(
                f"Order {order.number} ends by itself on {term_end(current) - dt.timedelta(days=1)}",
                field="effective_on", remedy="Choose a day before that",
            )  # fmt: skip
        _not_half_done(current)
        under_way = f"Order {order.number} is being cancelled already"
        _not_asked_yet(
            "cancel_order", order.number, under_way, token, set(OPEN) - {"failed"}, _another_day(order, effective_on)
        )
        payload = OrderCancelRequested(order_number=order.number, effective_on=effective_on, reason=said)
        return _store("OrderCancelRequested", payload, user, order.correlation_id, token)


def withdraw_cancellation(user: Any, order: Order, reason: str) -> None:
    """Take back a cancellation that still waits for its day. Raises Refused without the right, NotPossible where none
    waits any more.
    """
    _require(user, CANCEL, "withdraw a cancellation")
    said = _reason(reason)
    with states.acting(user.get_username(), said):
        steps = list(cancellations.for_later([order.number]).select_for_update())
        who = user.get_full_name() or user.get_username()
        if not steps or not cancellations.withdraw(steps, user.get_username(), f"{who} withdrew it: {said}"):
            raise NotPossible(f"No cancellation of order {order.number} waits for its day any more; reload the page")


def _not_half_done(order: Order) -> None:
    half = in_part.under_way([order.number]).get(order.number)
    if half is not None and half.state == "failed":
        raise NotPossible(
            f"Order {order.number} is cancelled in part: {half.text}",
            remedy="Replay its case, which goes on with what is left; or have the case closed, and ask again then",
        )


def _another_day(order: Order, day: dt.date) -> list[uuid.UUID]:
    waiting = cancellations.for_later([order.number]).select_related("event")
    return [step.id for step in waiting if cancellations.day_of(step) != day]


def reverse_journal(user: Any, entry: JournalEntry, effective_on: dt.date, reason: str, token: str = "") -> Stored:
    """Ask for the mirror of a posted journal; a second person decides. Raises like cancel_order.

    A day on which it could not be booked is refused at once; what changes until it is signed, the stage says.
    """
    _require(user, REVERSE, "reverse a journal")
    said = _reason(reason)
    with states.acting(user.get_username(), said):
        current = JournalEntry.objects.select_for_update(of=("self",)).get(id=entry.id)
        if current.state != "posted":
            raise NotPossible(f"Journal {entry.number} is {current.state}; only a posted one is reversed")
        if current.mirrors.exclude(state="superseded").exists():
            raise NotPossible(f"Journal {entry.number} has its mirror entry already")
        under_way = f"The reversal of {entry.number} is under way"
        _not_asked_yet("reverse_journal", _named(entry), under_way, token, entity=entry.entity.code)
        _bookable(entry, effective_on)
        payload = JournalReversalRequested(journal_id=str(entry.id), effective_on=effective_on, reason=said)
        return _store("JournalReversalRequested", payload, user, entry.correlation_id, token)


def _bookable(entry: JournalEntry, effective_on: dt.date) -> None:
    """Raises NotPossible naming the months that take corrections, where this day takes none."""
    (findings,) = journal.reversible([(entry.id, effective_on)])
    if not findings:
        return
    months = periods.taking_corrections(entry.entity, entry.subledger, entry.effective_on)
    named = ", ".join(months.values_list("name", flat=True)[:MONTHS_NAMED])
    raise NotPossible(
        ". ".join(finding.text for finding in findings),
        field="effective_on",
        remedy=f"These months take corrections: {named}" if named else "No month takes corrections from its day on",
    )


def _named(entry: JournalEntry) -> str:
    """The business key of a reversal's step (stages/reverse_journal.py)."""
    return entry.business_document.partition(":")[2] or str(entry)


def _require(user: Any, right: str, what: str) -> None:
    if not (user.is_active and user.has_perm(right)):
        raise Refused(f"You may not {what}: the right {right} is missing", right)


def _reason(text: str) -> str:
    said = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if not said:
        raise NotPossible("Say why: the reason is kept with the record")
    if len(said) > REASON_MAX:
        raise NotPossible(f"The reason has {len(said)} characters; {REASON_MAX} are kept")
    return said


def _not_asked_yet(
    stage: str, business_key: str, text: str, token: str, states_: Iterable[str] = OPEN, but: Iterable[uuid.UUID] = (),
    entity: str = "",
) -> None:  # fmt: skip
    """Whoever presses again with the same token is told what the first press was told. `but`: steps that give way;
    `entity`: whose documents have that business key, where another entity's may have it too."""
    rows = Step.objects.filter(stage=stage, business_key=business_key, state__in=states_).exclude(id__in=list(but))
    rows = rows.filter(entity=entity) if entity else rows
    if token:
        rows = rows.exclude(event__source_id=token)
    if rows.exists():
        raise NotPossible(text)


def _store(type_: str, payload: Any, user: Any, correlation_id: uuid.UUID, token: str) -> Stored:
    (stored,) = emit.store(
        [
            Incoming(
                type=type_, version=EVENTS[type_].version, source=f"{PERSON}{user.get_username()}"[:200],
                source_id=token or str(keys.new_id()), correlation_id=correlation_id, causation_id=None,
                occurred_at=clock.now(), raw=msgspec.json.encode(payload), payload=payload, sent_by=user.pk,
            )
        ]
    )  # fmt: skip
    if stored.status == "conflict":
        raise NotPossible("This form was sent before with another date or reason; reload the page")
    return stored
