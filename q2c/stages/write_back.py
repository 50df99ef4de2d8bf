"""write_back: the sales platform learns an order's number and how far it has come, on the deal it came from."""

from __future__ import annotations

from collections.abc import Sequence

from q2c.connectors.outcomes import Lookup, Outcome
from q2c.models import Connection, Order, Step
from q2c.stages.verb import Fact, OpenPort, Part, Verb, Work

# What sales reads on the deal. The word is the step's part: each is told once.
STATUS = {
    "OrderAccepted": "Accepted",
    "OrderRejected": "Rejected",
    "SubscriptionActivated": "Active",
    "OrderCancelled": "Cancelled",
}


class WriteBack(Verb):
    """One step per word; the order key is the deal, so that an older word never follows a newer one.

    Orders that came in by another way than a sales connection have no deal to write to.
    """

    writes = True

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        found = _orders(facts)
        sales = set(Connection.objects.filter(service="crm", active=True).values_list("name", flat=True))
        told = _told([order.number for order in found.values()])
        planned: list[list[Part]] = []
        for fact in facts:
            order, status = found[fact.payload.order_id], STATUS[fact.type]
            begun = fact.type != "SubscriptionActivated" or order.state == "active"
            if order.source not in sales or not begun or (order.number, status) in told:
                planned.append([])
                continue
            told.add((order.number, status))
            planned.append([_part(order, status)])
        return planned

    def prepare(self, works: Sequence[Work]) -> None:
        found = _orders([work.fact for work in works])
        for work in works:
            order = found[work.fact.payload.order_id]
            # The id of an order's event is the deal's, a colon and its version.
            deal = order.source_id.partition(":")[0]
            work.request = (deal, {"order_number": order.number, "status": work.step.part})

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        return open_port(work.step.connection).write_back(*work.request)

    def look_up(self, open_port: OpenPort, work: Work) -> Lookup:
        return open_port(work.step.connection).find_write_back(*work.request)


def _orders(facts: Sequence[Fact]) -> dict[str, Order]:
    ids = {fact.payload.order_id for fact in facts}
    return {str(order.id): order for order in Order.objects.filter(id__in=ids).defer("document")}


def _told(numbers: Sequence[str]) -> set[tuple[str, str]]:
    """(order number, word) that have a step already: an order has as many activations as phases."""
    rows = Step.objects.filter(stage="write_back", business_key__in=numbers)
    return set(rows.values_list("business_key", "part"))


def _part(order: Order, status: str) -> Part:
    return Part(
        part=status,
        connection=order.source,
        order_key=f"deal:{order.source}:{order.number}"[:120],
        business_key=order.number,
        customer=order.customer_name,
        amount_minor=order.total_minor,
        currency=order.currency,
        entity=order.contract_entity,
    )
