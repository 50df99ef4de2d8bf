"""Of an order's end: a cancellation that waits for its day, or what one that is done still lacks credits for."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Max

from q2c.engine import run
from q2c.models import InvoiceLine, Order
from q2c.money import Money
from q2c.stages import asking, cancellations, taken_back, term_of_invoices


@dataclass(frozen=True, slots=True)
class Later:
    """Asked for by `who` at `at`, because of `why`; `credits` is what billing would credit by today's invoices."""

    day: dt.date
    who: str
    why: str
    at: dt.datetime
    credits: list[Money]


def waiting(order: Order) -> Later | None:
    step = cancellations.for_later([order.number]).select_related("event").order_by("-seq").first()
    # One that cannot be read is told by its case, once its day comes.
    works = run.readable(run.load([step])) if step else []
    if step is None or not works:
        return None
    fact = works[0].fact
    who = asking.askers([fact])[fact.id].name.rstrip(",") or fact.source
    day = max(fact.payload.effective_on, order.starts_on)
    return Later(day, who, fact.payload.reason, step.created_at, taken_back.worth(order, day))


def credits_due(user: Any) -> list[taken_back.Due]:
    """Of every order that was cancelled, what billing has not credited yet. Half a dozen statements, however many."""
    cancelled = Order.objects.visible_to(user).filter(state="cancelled", invoices__lines__kind="recurring").distinct()
    orders = {order.id: order for order in cancelled.only("id", "number", "state", "starts_on")}
    ended = term_of_invoices.ended(orders.values())
    days = {id_: max(one.on, orders[id_].starts_on) for id_, one in ended.items()}
    # Nothing is due where no invoice bills a day beyond it.
    last = InvoiceLine.objects.filter(invoice__order__in=list(days), kind="recurring").exclude(invoice__state="voided")
    until = dict(last.values_list("invoice__order").annotate(until=Max("service_ends_on")))
    late = {id_: day for id_, day in days.items() if until.get(id_) and until[id_] > day}
    return taken_back.due(late, {id_: orders[id_].number for id_ in late})


def not_credited(order: Order) -> list[Money]:
    """What is invoiced for days after the cancellation and was not taken back yet; empty where nothing is."""
    ended = term_of_invoices.ended([order]).get(order.id)
    return taken_back.worth(order, max(ended.on, order.starts_on)) if ended else []
