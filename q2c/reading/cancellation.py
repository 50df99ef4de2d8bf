"""Of an order's end: a cancellation that waits for its day, or what one that is done still lacks credits for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from q2c import clock
from q2c.engine import run
from q2c.models import Order
from q2c.models.connection import called
from q2c.models.order import OPEN as OPEN_ORDERS
from q2c.models.subscription import ENDED
from q2c.stages import asking, cancellation_credits, cancellations, cut_short, in_part, term_of_invoices
from q2c.stages.cancellation_credits import Credits


@dataclass(frozen=True, slots=True)
class Later:
    """Asked for by `who` at `at`, because of `why`; `credits` is what would be credited by today's invoices."""

    day: dt.date
    who: str
    why: str
    at: dt.datetime
    credits: Credits


def waiting(order: Order) -> Later | None:
    step = cancellations.for_later([order.number]).select_related("event").order_by("-seq").first()
    # One that cannot be read is told by its case, once its day comes.
    works = run.readable(run.load([step])) if step else []
    if step is None or not works:
        return None
    fact = works[0].fact
    who = asking.askers([fact])[fact.id].name.rstrip(",") or fact.source
    day = max(fact.payload.effective_on, order.starts_on)
    return Later(day, who, fact.payload.reason, step.created_at, cancellation_credits.of_what_goes_on(order, day))


def in_part_of(order: Order) -> str:
    """Of an order that goes on: what billing has cancelled of it all the same; empty where that is nothing."""
    return in_part.told([order.number]).get(order.number, "") if order.state in OPEN_ORDERS else ""


def ended_before(order: Order) -> str:
    """Of a cancelled order: what billing had ended before the day that was asked for; empty where that is nothing."""
    cuts = in_part.cut([order.number]).get(order.number, {}) if order.state == "cancelled" else {}
    return in_part.ended_before(cuts)


@dataclass(frozen=True, slots=True)
class EndedThere:
    """What billing ends of an order that goes on here, before the order does.

    `days`: by number of its subscription; `text` is a sentence without its full stop. `until` is the day from which
    billing bills nothing of the order any more, where that is all of it. `is_asked`: a request that waits would end
    all of this.
    """

    days: dict[str, dt.date]
    text: str = ""
    until: dt.date | None = None
    is_asked: bool = False

    @property
    def cancel_on(self) -> dt.date | None:
        """As of when to cancel the order: one that ends there as of a later day than is asked for would be a case."""
        return max(self.days.values(), default=None)

    @property
    def is_over(self) -> bool:
        """Billing bills no more day of it."""
        return self.until is not None and self.until <= clock.today()


def ended_there(order: Order) -> EndedThere:
    """Of which nothing is said where a request of ours may have ended it. Three statements."""
    cuts = cut_short.of_orders([order.number]).get(order.number, [])
    if not cuts:
        return EndedThere({})
    days = {one.number: one.on for one in cuts}
    others = order.subscriptions.exclude(state__in=ENDED).exclude(number__in=list(days)).exists()
    text = cut_short.told(cuts, called(one.connection for one in cuts))
    until = None if others else max(days.values())
    return EndedThere(days, text, until, is_asked=all(one.is_asked for one in cuts))


def ended_there_of(page: Iterable[Order]) -> set[str]:
    """The numbers of those of which billing ends something before they end here. One statement."""
    return set(cut_short.of_orders(order.number for order in page if order.state in OPEN_ORDERS))


def cut(page: Iterable[Order]) -> set[str]:
    """The numbers of those that go on, and of which billing has cancelled something. One statement."""
    numbers = [order.number for order in page if order.state in OPEN_ORDERS]
    return set(in_part.requests(numbers).values_list("business_key", flat=True)) if numbers else set()


def ends(order: Order) -> dict[str, dt.date]:
    """By invoice group, as of when billing has cancelled it; under no group, as of when it has the order whole."""
    ended = term_of_invoices.ended([order])
    return {group: max(one.on, order.starts_on) for (_, group), one in ended.items()}


def not_credited(order: Order, ended: Mapping[str, dt.date] | None = None) -> Credits:
    """What is invoiced for days after the cancellation and was not taken back yet; empty where nothing is.

    `ended` is what ends() found, where that is known.
    """
    days = dict(ends(order) if ended is None else ended)
    return cancellation_credits.credits(order, days.pop("", dt.date.max), days) if days else Credits([])
