"""cancel_order: undoes provision_billing. What is provisioned is cancelled in billing, then the order here.

A day still to come is waited for: what begins before it begins, what would begin on it or later does not. No
subscription is cancelled before the day on which it starts. What may be in billing although its step was given up is
looked up there, and cancelled like the others where it is.

What billing has ended by the day asked for, by whomever, is done, as of billing's day. What somebody cancelled there
as of a later day is a case, and the others are cancelled all the same.

A request can come before its order: it waits some tries for it, and nothing is provisioned before its turn. After that
a person is asked, and offered to replay it once the order is there.

A newer request takes the place of those for the same order that failed, or wait for their day (cancellations.py).
None takes the place of one of which billing has done something: what it has cancelled is kept and cancelled here, too,
and a newer request waits for its end, and goes on with what is left (in_part.py).
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.db.models import Q

from exceptions import cases
from ledger.models import LegalEntity
from q2c import clock, states
from q2c.connectors.outcomes import Blocker, Lookup, Outcome, Posted, Unavailable
from q2c.contracts.events import OrderCancelRequested, OrderFact
from q2c.models import Order, Step, Subscription
from q2c.models.order import OPEN as OPEN_ORDERS
from q2c.models.subscription import ENDED
from q2c.reasons import Reason
from q2c.stages import (
    asking,
    cancellation_credits,
    cancellations,
    cut_short,
    deals,
    endings,
    in_part,
    orders,
    platforms,
)
from q2c.stages.controls.calendar import term_end
from q2c.stages.entity_time import midnight
from q2c.stages.verb import Fact, OpenPort, Part, Verb, Work

# What may be leaving something behind while the order is cancelled: it is waited for.
_UNDER_WAY = ("running", "accepted", "unknown")
# So often a request that waits for another one's end is looked at, should nobody wake it.
_LOOK_AGAIN = dt.timedelta(minutes=1)
_MADE = ("provision_billing", "activate_subscription")
# A request may be faster than its order: so many tries, together some four minutes, before a person is asked.
_TRIES_FOR_ORDER = 8


class CancelOrder(Verb):
    """One step per order, whatever it has come to; an order that billing never saw is cancelled here alone."""

    writes = True

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        found = {o.number: o for o in Order.objects.filter(number__in=[fact.payload.order_number for fact in facts])}
        billing = platforms.serving("billing")
        zones = _zones()
        return [[_part(fact.payload, found.get(fact.payload.order_number), billing, zones)] for fact in facts]

    def planned(self, facts: Sequence[Fact]) -> None:
        cancellations.supersede_failed(
            Step.objects.filter(business_key__in={fact.payload.order_number for fact in facts}), facts
        )
        cancellations.give_way(facts)

    def prepare(self, works: Sequence[Work]) -> None:
        numbers = [work.fact.payload.order_number for work in works]
        found = {o.number: o for o in Order.objects.filter(number__in=numbers).prefetch_related("subscriptions")}
        under_way, half_done, cut = _under_way(numbers, found), in_part.under_way(numbers), in_part.cut(numbers)
        people, zones = asking.askers(work.fact for work in works), _zones()
        for work in works:
            number = work.fact.payload.order_number
            order = found.get(number)
            if (
                order is not None
                and work.step.sent_at is None
                and cancellations.is_past_its_end(order, work.fact.payload.effective_on)
            ):
                _refuse_day(work, order)
            elif number in under_way:
                text = f"Order {number} {under_way[number]}; it is cancelled after that"
                work.outcome = Unavailable(text=text, reason=Reason.PLATFORM_BUSY)
            elif order is None and _is_being_checked(number):
                text = f"Order {number} is still being checked; it is cancelled after that"
                work.outcome = Unavailable(text=text, reason=Reason.PLATFORM_BUSY)
            elif order is None:
                _wait_for_order(work)
            elif work.step.sent_at is None and (day := _still_to_come(work.fact.payload, order, zones)):
                text = f"Order {number} is cancelled as of {work.fact.payload.effective_on}"
                work.not_before, work.outcome = day, Unavailable(text=text, reason=Reason.PLATFORM_BUSY)
            elif work.step.sent_at is None and number in half_done:
                _wait_behind(work, half_done[number])
            else:
                work.request = endings.of(order, work.fact.payload.effective_on, cut.get(number, ()))
                if not work.request:
                    work.outcome = _nothing_left(work, order)
                elif work.step.sent_at is None and (
                    given_back := cancellation_credits.wants_a_signature(work, order, people[work.fact.id])
                ):
                    # Once something has left, nobody's word undoes it.
                    work.findings = given_back

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        return endings.cancel(open_port, work)

    def look_up(self, open_port: OpenPort, work: Work) -> Lookup:
        return endings.look_up(open_port, work)

    def record(self, works: Sequence[Work]) -> None:
        locked = orders.existing([work.fact.payload.order_number for work in works])
        begun, cut = _under_way(list(locked), locked), in_part.cut(locked)
        asked_by = asking.askers(work.fact for work in works)
        for work in works:
            order = locked[work.fact.payload.order_number]
            known = {*(ending.number for ending in work.request), *work.kept, *cut.get(order.number, ())}
            more = [ending.number for ending in endings.of(order, work.fact.payload.effective_on, known)]
            if order.number in begun or more:
                what = begun.get(order.number) or f"has come to {', '.join(more)}"
                # Nobody has to decide that: what was made by then is cancelled, too.
                work.again(f"Order {order.number} {what} meanwhile")
                continue
            others = Step.objects.filter(business_key=order.number).exclude(id=work.step.id)
            cancellations.supersede_failed(others, [work.fact])
            if not _cancelled(order, asked_by[work.fact.id].actor, _why(work, asked_by[work.fact.id])):
                continue
            work.emit(
                "OrderCancelled",
                OrderFact(order_id=str(order.id), order_number=order.number, reason=work.fact.payload.reason),
            )

    def partly(self, works: Sequence[Work]) -> None:
        """What billing has cancelled is cancelled here, whatever becomes of the rest, and told with what keeps that.

        Nothing else is done about the order until this has come to its end: so it keeps the order's key.
        """
        locked = orders.existing([work.step.business_key for work in works])
        asked_by = asking.askers(work.fact for work in works)
        for work in works:
            order, asker = locked[work.step.business_key], asked_by[work.fact.id]
            with states.on_behalf(asker.actor, _why(work, asker)):
                live = order.subscriptions.filter(number__in=list(work.kept)).exclude(state__in=ENDED)
                states.move(Subscription, "cancel", list(live.values_list("id", flat=True)))
            cut_short.end([order.number], work.kept, asker.actor)
            Step.objects.filter(id=work.step.id).update(order_key=f"cancel:{order.number}")
        _tell_in_part(works)

    def waits(self, works: Sequence[Work]) -> None:
        """What came before its order, for a day still to come, holds back nobody who asks for a nearer one."""
        later = [work.step.id for work in works if work.not_before and "behind" not in work.notes]
        if later:
            Step.objects.filter(id__in=later).update(order_key="")

    def failed(self, works: Sequence[Work]) -> None:
        """Whoever asks again must not wait for what failed: it gives its place up, and so do those before it."""
        cancellation_credits.tell(works)
        for work in works:
            earlier = Step.objects.filter(business_key=work.step.business_key, seq__lt=work.step.seq)
            cancellations.supersede_failed(earlier, [work.fact])
        gave_up = [work.step.id for work in works if not work.kept]
        Step.objects.filter(id__in=gave_up).update(order_key="")


def _part(asked: OrderCancelRequested, order: Order | None, billing: str, zones: Mapping[str, str]) -> Part:
    number = asked.order_number
    if order is None:
        return Part(business_key=number, order_key=f"cancel:{number}")
    later = _still_to_come(asked, order, zones)
    return Part(
        connection=billing if _is_seen_by_billing(order) else "", not_before=later,
        # A day far away holds back nobody who asks for a nearer one.
        order_key="" if later else f"cancel:{number}", business_key=number,
        customer=order.customer_name, amount_minor=order.total_minor, currency=order.currency,
        entity=order.contract_entity,
    )  # fmt: skip


def _zones() -> dict[str, str]:
    return dict(LegalEntity.objects.values_list("code", "timezone"))


def _is_seen_by_billing(order: Order) -> bool:
    return order.state not in ("received", "awaiting_approval")


def _still_to_come(asked: OrderCancelRequested, order: Order, zones: Mapping[str, str]) -> dt.datetime | None:
    """When the day begins on which it is cancelled; None: at once, as one that ends before it begins, or has."""
    if not _is_seen_by_billing(order) or order.state not in OPEN_ORDERS or asked.effective_on <= order.starts_on:
        return None
    if cancellations.is_past_its_end(order, asked.effective_on):
        return None
    day = midnight(asked.effective_on, zones.get(order.contract_entity, "UTC"))
    return day if day > clock.now() else None


def _refuse_day(work: Work, order: Order) -> None:
    """As the page does (engine/requests.py), whoever asked."""
    last, asked = term_end(order) - dt.timedelta(days=1), work.fact.payload.effective_on
    work.reject(
        Reason.TERM_INVALID, f"Order {order.number} ends by itself on {last}; it cannot be cancelled as of {asked}",
        pointer="/effective_on", seen=asked,
        remedy="Ask again as of a day before that, which takes the place of this; or close this case, and it ends then",
    )  # fmt: skip


def _nothing_left(work: Work, order: Order) -> Posted:
    """All of it is cancelled by now; or the order had ended before it was asked for, and stays what it came to."""
    if work.kept:
        return endings.together(work)
    ended = {} if order.state in OPEN_ORDERS else {"nothing_to_do": f"Order {order.number} is {order.state} already"}
    return Posted(reference=order.number, proof=ended)


def _why(work: Work, asker: asking.Asker) -> str:
    return cancellations.why(work.fact, asker, in_part.ended_before(in_part.of_step(work.step)))


def _wait_behind(work: Work, half_done: Step) -> None:
    """Of a request that is half done nobody knows yet what is left: another one is held until it has ended.

    By the order's key, where it came later; one that came before would hold the other by it, and looks again instead.
    """
    key = f"cancel:{work.step.business_key}" if half_done.seq < work.step.seq else ""
    Step.objects.filter(id=work.step.id).update(order_key=key)
    work.notes["behind"] = True
    work.not_before = clock.now() + _LOOK_AGAIN
    text = f"Order {work.step.business_key} is cancelled in part by another request, which goes first"
    work.outcome = Unavailable(text=text, reason=Reason.PLATFORM_BUSY)


def _tell_in_part(works: Sequence[Work]) -> None:
    cut = in_part.cut(work.step.business_key for work in works)
    for work in works:
        cut[work.step.business_key] = in_part.of_step(work.step) | cut.get(work.step.business_key, {})
    told = in_part.tell(cut)
    for work in works:
        said = told[work.step.business_key]
        if work.findings:
            work.findings[:] = [replace(finding, text=f"{finding.text}. {said}") for finding in work.findings]
        elif work.notes.get("text"):
            work.notes["text"] = f"{work.notes['text']}. {said}"


def _wait_for_order(work: Work) -> None:
    number = work.fact.payload.order_number
    text = f"Order {number} is not known"
    waited = work.step.failures.get(Reason.PLATFORM_BUSY, 0)
    if waited < _TRIES_FOR_ORDER:
        work.outcome = Unavailable(text=f"{text} yet", reason=Reason.PLATFORM_BUSY, retry_after_s=2.0**waited)
        return
    work.reject(
        Reason.RECORD_MISSING, text, pointer="/order_number", seen=number,
        remedy="Correct the order number; if the order is still to come, replay once it is there",
        blocker=Blocker(connection="", object_type="order", object_key=number, condition="unknown"),
    )  # fmt: skip


def _under_way(numbers: Sequence[str], there: Mapping[str, Order]) -> dict[str, str]:
    """Order number → what is being made of it right now, or may have been."""
    wanted = Q(id__in=_checks(numbers, there)) | Q(stage="provision_billing", business_key__in=numbers)
    rows = Step.objects.filter(wanted)
    found: dict[str, str] = {}
    columns = ("business_key", "stage", "state", "sent_at", "connection")
    told = list(rows.values_list(*columns))
    settle_s = platforms.settle_s({row[-1] for row in told})
    for number, stage, state, sent_at, connection in told:
        if state == "failed" and sent_at is not None:
            found[number] = f"may be there by {stage}, which failed and waits for its case"
        elif state == "abandoned" and sent_at is not None:
            # Until then an empty search says nothing.
            if clock.now() < sent_at + clock.seconds(settle_s.get(connection, 0)):
                found.setdefault(number, f"may still come to {connection} by {stage}, which was given up")
        elif state in _UNDER_WAY or (state == "waiting" and sent_at is not None):
            found.setdefault(number, f"is in the middle of {stage}")
    return found


def _checks(numbers: Sequence[str], there: Mapping[str, Order]) -> list[uuid.UUID]:
    """The steps that check these orders; of an order that is there, not those of other deals under its number."""
    known = deals.Deals()
    rows = Step.objects.filter(stage="accept_order", business_key__in=numbers).exclude(state="done")
    told = rows.values_list("id", "business_key", "event__source", "event__source_id")
    return [
        id_
        for id_, number, source, source_id in told
        if number not in there or known.named(source, source_id) == known.of(there[number])
    ]


def _is_being_checked(number: str) -> bool:
    """Whether a deal of this number has come in and was not decided on yet."""
    return Step.objects.filter(stage="accept_order", business_key=number, state="waiting").exists()


def _cancelled(order: Order, actor: str, why: str) -> bool:
    """The order ends with what was made of it, in the name of who asked for that; False where it has ended already."""
    with states.on_behalf(actor, why):
        live = dict(order.subscriptions.exclude(state__in=ENDED).values_list("id", "number"))
        states.move(Subscription, "cancel", list(live))
        cut_short.end([order.number], live.values(), actor)
        if not states.move(Order, "cancel", [order.id]):
            return False
        _give_up(order, actor, why)
    return True


def _give_up(order: Order, actor: str, why: str) -> None:
    """What has not begun does not begin any more, and nobody is asked about it."""
    mine = Q(id__in=_checks([order.number], {order.number: order})) | Q(stage__in=_MADE, business_key=order.number)
    waiting = Step.objects.filter(mine, state__in=["waiting", "failed"]).values_list("id", flat=True)
    given_up: list[uuid.UUID] = states.move(Step, "abandon", list(waiting), text="the order was cancelled")
    cases.resolve_for({id_: {} for id_ in given_up}, actor, "superseded", why=why)
