"""cancel_order: undoes provision_billing. What is provisioned is cancelled in billing, then the order here."""

from __future__ import annotations

from collections.abc import Sequence

from q2c import states
from q2c.connectors.outcomes import Lookup, Outcome, Posted
from q2c.contracts.events import OrderFact
from q2c.models import Order, Step, Subscription
from q2c.reasons import Reason
from q2c.stages import orders
from q2c.stages.verb import Fact, OpenPort, Part, Verb, Work


class CancelOrder(Verb):
    """One step per subscription; an order that billing never saw is cancelled here alone."""

    writes = True

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        numbers = [fact.payload.order_number for fact in facts]
        found = {o.number: o for o in Order.objects.filter(number__in=numbers).prefetch_related("subscriptions")}
        return [self._parts(fact.payload.order_number, found.get(fact.payload.order_number)) for fact in facts]

    def _parts(self, number: str, order: Order | None) -> list[Part]:
        live = [s for s in order.subscriptions.all() if s.state not in ("cancelled", "expired")] if order else []
        if not live:
            return [Part(business_key=number, order_key=f"order:{number}")]
        assert order is not None
        return [
            Part(
                part=s.group, connection=s.connection, order_key=f"order:{number}:{s.group}", business_key=number,
                customer=order.customer_name, amount_minor=order.total_minor, currency=order.currency, entity=s.entity,
            )
            for s in live
        ]  # fmt: skip

    def prepare(self, works: Sequence[Work]) -> None:
        numbers = [work.fact.payload.order_number for work in works]
        found = {o.number: o for o in Order.objects.filter(number__in=numbers).prefetch_related("subscriptions")}
        for work in works:
            order = found.get(work.fact.payload.order_number)
            if order is None:
                work.reject(
                    Reason.RECORD_MISSING, f"Order {work.fact.payload.order_number} is not known",
                    pointer="/order_number", seen=work.fact.payload.order_number, remedy="Correct the order number",
                )  # fmt: skip
                continue
            work.notes["order"] = order
            subscription = next((s for s in order.subscriptions.all() if s.group == work.step.part), None)
            if subscription is None or subscription.state == "cancelled":
                work.outcome = Posted(reference=order.number)
            else:
                work.notes["subscription"] = subscription
                work.request = (subscription.number, work.fact.payload.effective_on)

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        return open_port(work.step.connection).cancel(*work.request, work.step.key)

    def look_up(self, open_port: OpenPort, work: Work) -> Lookup:
        return open_port(work.step.connection).is_cancelled(*work.request, work.step.key)

    def record(self, works: Sequence[Work]) -> None:
        # The last of an order's groups cancels it, and two may end at once.
        orders.hold({work.notes["order"].id for work in works})
        states.move(Subscription, "cancel", [w.notes["subscription"].id for w in works if "subscription" in w.notes])
        for work in works:
            order: Order = work.notes["order"]
            live = Subscription.objects.filter(order=order).exclude(state__in=["cancelled", "expired"]).exists()
            if live or not states.move(Order, "cancel", [order.id]):
                continue
            _give_up_waiting(order)
            work.emit(
                "OrderCancelled",
                OrderFact(order_id=str(order.id), order_number=order.number, reason=work.fact.payload.reason),
            )


def _give_up_waiting(order: Order) -> None:
    """Phases that have not begun are not activated any more."""
    waiting = Step.objects.filter(
        stage="activate_subscription", business_key=order.number, state__in=["waiting", "failed"]
    )
    states.move(Step, "abandon", list(waiting.values_list("id", flat=True)), text="the order was cancelled")
