"""Requests to cancel an order that meet: which hold it, which only wait for their day, and which give way to which."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence

from django.db.models import Q, QuerySet

from exceptions import cases
from q2c import clock, states
from q2c.contracts import stored
from q2c.contracts.events import OrderCancelRequested
from q2c.models import Order, Step
from q2c.models.order import OPEN as OPEN_ORDERS
from q2c.reasons import Reason
from q2c.stages import asking, versions
from q2c.stages.controls.calendar import term_end
from q2c.stages.verb import KEPT, Fact

STAGE = "cancel_order"
WITHDRAWN = "withdrawn"


def holding(numbers: Iterable[str]) -> QuerySet[Step]:
    """Requests before whose end nothing of these orders is provisioned: those whose turn it is, and those that came
    before their order, wait for a person as a case, and have not been looked at since it came."""
    turn = Q(state__in=["waiting", "running"]) & ~Q(order_key="")
    early = Q(state="failed", reason=Reason.RECORD_MISSING, sent_at=None)
    return Step.objects.filter(turn | early, stage=STAGE, business_key__in=list(numbers))


def wake(numbers: Iterable[str]) -> None:
    """What asked for these orders to be cancelled before they were accepted does not wait for its next try."""
    # One that a worker has just taken is tried at this moment anyway.
    waiting = holding(numbers).filter(state="waiting").select_for_update(skip_locked=True)
    Step.objects.filter(id__in=list(waiting.values_list("id", flat=True))).update(next_at=clock.now())


def for_later(numbers: Iterable[str]) -> QuerySet[Step]:
    """Requests that wait for a day still to come; nothing of them has been sent, and their order has not ended."""
    asked = list(numbers)
    ended = Order.objects.filter(number__in=asked).exclude(state__in=OPEN_ORDERS)
    later = Step.objects.filter(stage=STAGE, business_key__in=asked, state="waiting", order_key="")
    return later.filter(sent_at=None, next_at__gt=clock.now()).exclude(business_key__in=ended.values("number"))


def day_of(step: Step) -> dt.date:
    return stored.read(step.event.payload, OrderCancelRequested).effective_on


def is_past_its_end(order: Order, day: dt.date) -> bool:
    """Whether the order ends by itself before that day; one that has ended has nothing to be cancelled."""
    return order.state in OPEN_ORDERS and day >= term_end(order)


def give_way(facts: Sequence[Fact]) -> None:
    """Of each order's requests for a later day only the one asked for last is left, and none beside a newer one whose
    turn it is. Called once the steps of these facts are there. Before a request that will be refused nothing gives way.
    """
    numbers = {fact.payload.order_number for fact in facts}
    orders = {order.number: order for order in Order.objects.filter(number__in=numbers)}
    newest: dict[str, Fact] = {}
    for fact in facts:
        number = fact.payload.order_number
        if number in orders and is_past_its_end(orders[number], fact.payload.effective_on):
            continue
        newest[number] = max(fact, newest.get(number, fact), key=lambda each: each.occurred_at)
    by_event = {fact.id: fact for fact in facts}
    waiting: dict[str, list[Step]] = {}
    for step in for_later(newest).select_related("event").order_by("seq"):
        waiting.setdefault(step.business_key, []).append(step)
    for number, steps in waiting.items():
        last = max(steps, key=lambda step: (step.event.occurred_at, step.seq))
        stays = last.event_id == newest[number].id or last.event.occurred_at > newest[number].occurred_at
        older = [step.id for step in steps if not (stays and step.id == last.id)]
        _supersede(older, by_event.get(last.event_id, newest[number]))


def supersede_failed(steps: QuerySet[Step], newer: Sequence[Fact]) -> None:
    """Of these, the requests that failed are given up for a newer one, in the name of who asked for that.

    Not one of which billing has done something: that is not undone by another.
    """
    failed = (
        steps.filter(stage=STAGE, state="failed")
        .exclude(proof__has_key=KEPT)
        .order_by("id")
        .values_list("business_key", "id")
    )
    by_order: dict[str, list[uuid.UUID]] = {}
    for number, id_ in failed:
        by_order.setdefault(number, []).append(id_)
    for fact in {fact.payload.order_number: fact for fact in newer}.values():
        _supersede(by_order.get(fact.payload.order_number, []), fact)


def withdraw(steps: Sequence[Step], actor: str, text: str) -> bool:
    """Ends requests that wait for their day. False where another has taken one of them up meanwhile."""
    moved = versions.end([step.id for step in steps], actor, text, {WITHDRAWN: True})
    return len(moved) == len(steps)


def _supersede(ids: Sequence[uuid.UUID], fact: Fact) -> None:
    if not ids:
        return
    text = "a newer request to cancel the order took its place"
    asker = asking.askers([fact])[fact.id]
    said = why(fact, asker)
    with states.on_behalf(asker.actor, said):
        moved: list[uuid.UUID] = states.move(Step, "abandon", ids, reason=Reason.SUPERSEDED, text=text)
        cases.resolve_for({id_: {} for id_ in moved}, asker.actor, "superseded", why=said)


def why(fact: Fact, asker: asking.Asker, before: str = "") -> str:
    """What the history and the timeline say: whose wish it was, in full where it came by a key, and the reason.

    `before` is what billing had ended by itself.
    """
    whose = f"{asker.name.rstrip(',')} asked to cancel it" if asker.name else "it was asked to be cancelled"
    said = f"{whose}: {fact.payload.reason}" if fact.payload.reason else whose
    return f"{said.rstrip('.')}; {before}" if before else said
