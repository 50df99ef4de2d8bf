"""cancel_order: undoes provision_billing. What is provisioned is cancelled in billing, then the order here.

A day still to come is waited for: what begins before it begins, what would begin on it or later does not.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from exceptions import cases
from ledger.models import LegalEntity
from q2c import clock, states
from q2c.connectors.outcomes import Lookup, NotFound, Outcome, Posted, Unavailable
from q2c.contracts.events import OrderCancelRequested, OrderFact
from q2c.models import Order, Step, Subscription
from q2c.reasons import Reason
from q2c.stages import orders, platforms
from q2c.stages.entity_time import midnight
from q2c.stages.verb import Fact, OpenPort, Part, Verb, Work

# What may be leaving something behind while the order is cancelled: it is waited for.
_UNDER_WAY = ("running", "accepted", "unknown")
_GIVEN_UP = ("accept_order", "provision_billing", "activate_subscription")


class CancelOrder(Verb):
    """One step per order, whatever it has come to; an order that billing never saw is cancelled here alone."""

    writes = True

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        found = {o.number: o for o in Order.objects.filter(number__in=[fact.payload.order_number for fact in facts])}
        billing = platforms.serving("billing")
        zones = dict(LegalEntity.objects.values_list("code", "timezone"))
        return [[_part(fact.payload, found.get(fact.payload.order_number), billing, zones)] for fact in facts]

    def prepare(self, works: Sequence[Work]) -> None:
        numbers = [work.fact.payload.order_number for work in works]
        found = {o.number: o for o in Order.objects.filter(number__in=numbers).prefetch_related("subscriptions")}
        under_way = _under_way(numbers)
        for work in works:
            number = work.fact.payload.order_number
            order = found.get(number)
            if number in under_way:
                text = f"Order {number} {under_way[number]}; it is cancelled after that"
                work.outcome = Unavailable(text=text, reason=Reason.PLATFORM_BUSY)
            elif order is None and _is_being_checked(number):
                text = f"Order {number} is still being checked; it is cancelled after that"
                work.outcome = Unavailable(text=text, reason=Reason.PLATFORM_BUSY)
            elif order is None:
                work.reject(
                    Reason.RECORD_MISSING, f"Order {number} is not known", pointer="/order_number", seen=number,
                    remedy="Correct the order number",
                )  # fmt: skip
            else:
                live = [s for s in order.subscriptions.all() if s.state not in ("cancelled", "expired")]
                work.notes |= {"order": order, "live": live}
                work.request = [(s.connection, s.number, work.fact.payload.effective_on) for s in live]
                if not live:
                    work.outcome = Posted(reference=order.number)

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        """One subscription after the other; each is looked up before it is cancelled, so a replay goes on."""
        done: list[Posted] = []
        for connection, number, on in work.request:
            outcome: Outcome = open_port(connection).cancel(number, on, work.step.key)
            if not isinstance(outcome, Posted):
                return outcome
            done.append(outcome)
        return _all(done)

    def look_up(self, open_port: OpenPort, work: Work) -> Lookup:
        done: list[Posted] = []
        nothing: NotFound | None = None
        for connection, number, on in work.request:
            found: Lookup = open_port(connection).is_cancelled(number, on, work.step.key)
            if isinstance(found, Posted):
                done.append(found)
            elif isinstance(found, NotFound):
                nothing = nothing or found
            else:
                return found
        return nothing or _all(done)

    def record(self, works: Sequence[Work]) -> None:
        locked = orders.existing([work.fact.payload.order_number for work in works])
        begun = _under_way(list(locked))
        for work in works:
            order = locked[work.fact.payload.order_number]
            if order.number in begun:
                work.reject(
                    Reason.PLATFORM_BUSY, f"Order {order.number} {begun[order.number]} meanwhile",
                    remedy="Replay: what was made by then is cancelled, too",
                )  # fmt: skip
                continue
            states.move(Subscription, "cancel", [subscription.id for subscription in work.notes["live"]])
            if not states.move(Order, "cancel", [order.id]):
                continue
            _give_up(order)
            work.emit(
                "OrderCancelled",
                OrderFact(order_id=str(order.id), order_number=order.number, reason=work.fact.payload.reason),
            )


def _part(asked: OrderCancelRequested, order: Order | None, billing: str, zones: Mapping[str, str]) -> Part:
    number = asked.order_number
    if order is None:
        return Part(business_key=number, order_key=f"cancel:{number}")
    seen_by_billing = order.state not in ("received", "awaiting_approval")
    day = midnight(asked.effective_on, zones.get(order.contract_entity, "UTC"))
    # An order that ends before it begins is undone at once.
    later = seen_by_billing and asked.effective_on > order.starts_on and day > clock.now()
    return Part(
        connection=billing if seen_by_billing else "", not_before=day if later else None,
        # A day far away holds back nobody who asks for a nearer one.
        order_key="" if later else f"cancel:{number}", business_key=number,
        customer=order.customer_name, amount_minor=order.total_minor, currency=order.currency,
        entity=order.contract_entity,
    )  # fmt: skip


def _under_way(numbers: Sequence[str]) -> dict[str, str]:
    """Order number → what is being made of it right now, or may have been."""
    rows = Step.objects.filter(stage__in=("accept_order", "provision_billing"), business_key__in=numbers)
    found: dict[str, str] = {}
    for number, stage, state, sent_at in rows.values_list("business_key", "stage", "state", "sent_at"):
        if state == "failed" and sent_at is not None:
            found[number] = f"may be there by {stage}, which failed and waits for its case"
        elif state in _UNDER_WAY or (state == "waiting" and sent_at is not None):
            found.setdefault(number, f"is in the middle of {stage}")
    return found


def _is_being_checked(number: str) -> bool:
    """Whether a deal of this number has come in and was not decided on yet."""
    return Step.objects.filter(stage="accept_order", business_key=number, state="waiting").exists()


def _all(done: Sequence[Posted]) -> Posted:
    """The cancellations together, under the documents that people see."""
    return Posted(
        reference=", ".join(one.reference for one in done)[:200],
        document=", ".join(one.document for one in done)[:200],
        found=all(one.found for one in done),
        proof={"cancelled": [one.proof | {"document": one.document} for one in done]},
    )


def _give_up(order: Order) -> None:
    """What has not begun does not begin any more, and nobody is asked about it."""
    waiting = Step.objects.filter(
        stage__in=_GIVEN_UP, business_key=order.number, state__in=["waiting", "failed"]
    ).values_list("id", flat=True)
    given_up: list[uuid.UUID] = states.move(Step, "abandon", list(waiting), text="the order was cancelled")
    cases.resolve_for({id_: {} for id_ in given_up}, actor="q2c", resolution="superseded")
