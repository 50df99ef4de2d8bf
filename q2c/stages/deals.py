"""Which deal a fact is of, and which order a deal has: one, whatever number its sales platform gives it.

A sales platform's events tell the id of their deal, and that identifies it. Elsewhere an order number is one deal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Q

from q2c.models import Connection, Order, Step
from q2c.models.order import UNDECIDED
from q2c.reasons import Reason
from q2c.stages.verb import Fact, Work
from q2c.stages.versions import Versions, shortened

# What another system sends under the same number is another order, and takes the place of none; nor does another deal
# of one sales platform.
VERSIONS = Versions(stage="accept_order", noun="deal", by="order_key")


class Deals:
    """Which deal something came from: (system, id). One system may have several sources, as in webshop/eu."""

    def __init__(self) -> None:
        self._selling = set(Connection.objects.filter(service="crm").values_list("name", flat=True))

    def of(self, told: Fact | Order) -> tuple[str, str]:
        return self.named(told.source, told.source_id)

    def named(self, source: str, source_id: str) -> tuple[str, str]:
        return source.partition("/")[0], source_id.partition(":")[0] if source in self._selling else ""

    def is_anothers(self, fact: Fact, order: Order) -> bool:
        return self.of(fact) != self.of(order)

    def identity(self, told: Fact | Order) -> str:
        """As `Order.deal` keeps it; empty where no sales platform's id tells it."""
        system, deal = self.of(told)
        return f"{system}:{deal}" if deal else ""

    def key(self, fact: Fact) -> str:
        """The order key of the steps of all versions of the deal."""
        if identity := self.identity(fact):
            return key_of(identity)
        number, system = fact.payload.order_number, fact.source.partition("/")[0]
        return shortened(f"deal:{number}:{system}:")


def key_of(identity: str) -> str:
    return shortened(f"deal:{identity}")


def standing(facts: Iterable[Fact], deals: Deals) -> dict[str, Order]:
    """By deal of a sales platform the order that it has, under whatever number, with its event; locked.

    One that another system sent is the deal's, too, once the deal has told of it.
    """
    named = {identity for fact in facts if (identity := deals.identity(fact))}
    if not named:
        return {}
    by_key = {key_of(identity): identity for identity in named}
    done = Step.objects.filter(stage="accept_order", order_key__in=list(by_key), state="done")
    told = done.exclude(reference__in=["", "superseded"]).values_list("reference", "order_key")
    by_order = {order_id: by_key[key] for order_id, key in told}
    wanted = Q(deal__in=named) | Q(id__in=list(by_order))
    found = Order.objects.filter(wanted).order_by("id").select_for_update(of=("self",)).select_related("event")
    theirs = {by_order[str(order.id)]: order for order in found if str(order.id) in by_order}
    return theirs | {order.deal: order for order in found if order.deal in named}


def refuse_number(work: Work, order: Order) -> None:
    """Nobody changes an order that another deal made, nor hears of another system's more than that it is there."""
    there, here = "another system", work.fact.source
    if order.source == here:
        there, here = (f"deal {each.source_id.partition(':')[0]} of {each.source}" for each in (order, work.fact))
    work.reject(
        Reason.ORDER_NUMBER_TAKEN,
        f"Order {order.number} is there from {there}; {here} sent another under the same number",
        pointer="/order_number",
        seen=order.number,
        remedy="Send it under a number of its own",
    )


def has_another(of_deal: Order, number: str, own: Order | None) -> bool:
    """Whether the order of a deal is decided under another number than it has by now; `own` is there under that one."""
    is_open = own is None or own.state in UNDECIDED
    return is_open and of_deal.state not in UNDECIDED and of_deal.number != number


def renumbered(work: Work, order: Order) -> None:
    """A deal whose order is decided comes under another number: it has that order, also once it was cancelled."""
    number, source = work.fact.payload.order_number, work.fact.source
    cancel = "" if order.state in ("rejected", "cancelled", "completed") else f"cancel order {order.number} here, and "
    work.reject(
        Reason.ORDER_CHANGED,
        f"Deal {work.fact.source_id.partition(':')[0]} of {source} has order {order.number} here, which is "
        f"{order.state.replace('_', ' ')}; it was given number {number} there since",
        pointer="/order_number",
        seen=number,
        remedy=f"Have its number put back to {order.number} in {source}, and this ends by itself. "
        f"Is {number} to be sold instead, {cancel}close it as a new deal there",
    )


def identities(source: str, deal_ids: Iterable[str]) -> dict[str, str]:
    """By id of a deal of that sales platform, how it is known here."""
    return {deal_id: f"{source.partition('/')[0]}:{deal_id}" for deal_id in deal_ids}


def keys_of(source: str, deal_ids: Sequence[str]) -> dict[str, str]:
    """By id of a deal of that sales platform, the order key of its steps."""
    return {deal_id: key_of(identity) for deal_id, identity in identities(source, deal_ids).items()}
