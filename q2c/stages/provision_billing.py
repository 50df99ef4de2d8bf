"""provision_billing: each invoice group of an accepted order becomes one subscription in billing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from q2c import clock, keys, states
from q2c.connectors.outcomes import Lookup, Outcome, Posted, Unavailable
from q2c.contracts.documents import OrderDocument, SubscriptionCharge, SubscriptionDocument
from q2c.contracts.events import SubscriptionFact
from q2c.models import ChargeSegment, Order, OrderGroup, Subscription
from q2c.reasons import Reason
from q2c.stages import cancellations, orders, platforms
from q2c.stages.controls.calendar import add_months
from q2c.stages.controls.charges import charges_of
from q2c.stages.verb import Fact, OpenPort, Part, Verb, Work


class ProvisionBilling(Verb):
    writes = True

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        """A group waits for its own account only."""
        billing = platforms.serving("billing")
        ids = {fact.payload.order_id for fact in facts}
        groups: dict[str, list[OrderGroup]] = {}
        for group in OrderGroup.objects.filter(order_id__in=ids).select_related("order"):
            groups.setdefault(str(group.order_id), []).append(group)
        return [
            [
                _part(group, billing)
                for group in groups.get(fact.payload.order_id, [])
                if fact.payload.connection == billing
                and fact.payload.account == orders.account_key(group.bill_to, group.currency)
            ]
            for fact in facts
        ]

    def prepare(self, works: Sequence[Work]) -> None:
        # Held, so that nothing is sent for an order that is being cancelled at this moment.
        there = orders.documents([work.fact.payload.order_id for work in works], hold=True)
        groups = _groups(works)
        payers = {(group.bill_to, group.currency) for group in groups.values()}
        billing = platforms.serving("billing")
        accounts = orders.accounts_there(billing, payers)
        called_off = cancellations.holding(work.fact.payload.order_number for work in works)
        asked = set(called_off.values_list("business_key", flat=True))
        for work in works:
            order, document = there[work.fact.payload.order_id]
            group = groups[(work.fact.payload.order_id, work.step.part)]
            if order.state in ("cancelled", "rejected"):
                work.outcome = Posted(reference="", proof={"not_needed": f"order {order.state}"})
            elif work.step.sent_at is None and order.number in asked:
                text = f"Order {order.number} is asked to be cancelled; that comes first"
                work.outcome = Unavailable(text=text, reason=Reason.PLATFORM_BUSY, retry_after_s=1)
            else:
                work.request = subscription_of(order, document, group, accounts[group.bill_to, group.currency])

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        return open_port(work.step.connection).create_subscription(work.request, work.step.key)

    def poll(self, open_port: OpenPort, work: Work) -> Outcome:
        return open_port(work.step.connection).poll(work.step.handle, work.step.key)

    def look_up(self, open_port: OpenPort, work: Work) -> Lookup:
        return open_port(work.step.connection).find_subscription(work.request, work.step.key)

    def record(self, works: Sequence[Work]) -> None:
        groups = _groups(works)
        made: list[Subscription] = []
        segments: list[ChargeSegment] = []
        for work in works:
            if work.request is None:
                continue
            group = groups[(work.fact.payload.order_id, work.step.part)]
            subscription = _record_of(work, group)
            made.append(subscription)
            segments += [_segment(subscription, charge) for charge in work.request.charges]
            work.emit(
                "SubscriptionProvisioned",
                SubscriptionFact(
                    order_id=work.fact.payload.order_id, order_number=work.fact.payload.order_number,
                    subscription_id=str(subscription.id), group=group.key,
                ),
            )  # fmt: skip
        Subscription.objects.bulk_create(made)
        ChargeSegment.objects.bulk_create(segments)
        states.move(Order, "provision", list({subscription.order_id for subscription in made}))

    def preview(self, work: Work) -> dict[str, Any]:
        return {"would": f"create subscription {work.request.key} in {work.step.connection}"} if work.request else {}


def _part(group: OrderGroup, billing: str) -> Part:
    return Part(
        part=group.key,
        connection=billing,
        order_key=f"order:{group.order.number}:{group.key}",
        business_key=group.order.number,
        customer=group.order.customer_name,
        amount_minor=group.total_minor,
        currency=group.currency,
        entity=group.entity,
    )


def _groups(works: Sequence[Work]) -> dict[tuple[str, str], OrderGroup]:
    ids = {work.fact.payload.order_id for work in works}
    return {(str(g.order_id), g.key): g for g in OrderGroup.objects.filter(order_id__in=ids).select_related("order")}


def subscription_number(order: Order, group: str) -> str:
    """Of the order's number and its group; where both are long, told apart by a print of them.

    It is what billing is searched by, so it never changes for what may have been sent. SO-1 with group A-UK and SO-1-A
    with group UK come to one number: the second is refused there as another's, and is a case.
    """
    return keys.in_addresses(f"S-{order.number}-{group}", order.number, group)


def subscription_of(order: Order, document: OrderDocument, group: OrderGroup, account: str) -> SubscriptionDocument:
    """The group as billing is to bill it, to this account of its payer there: one charge per line and phase, phases
    numbered by their start."""
    wanted = next(g for g in document.groups if g.key == group.key)
    return SubscriptionDocument(
        key=subscription_number(order, group.key), order_number=order.number, group=group.key,
        account=account, legal_entity=group.entity,
        currency=group.currency, ordered_on=document.closed_on, starts_on=document.starts_on,
        term_months=document.term_months,
        ship_to=wanted.ship_to, charges=charges_of(document, group.key, group.currency),
        payment_term_days=document.payment_term_days,
    )  # fmt: skip


def _record_of(work: Work, group: OrderGroup) -> Subscription:
    outcome = work.outcome
    assert isinstance(outcome, Posted)
    return Subscription(
        number=work.request.key, order=group.order, group=group.key, entity=group.entity, currency=group.currency,
        account=work.request.account, connection=work.step.connection, reference=outcome.reference,
        starts_on=work.request.starts_on, ends_on=add_months(work.request.starts_on, work.request.term_months),
        provisioned_at=clock.now(),
        correlation_id=work.fact.correlation_id,
    )  # fmt: skip


def _segment(subscription: Subscription, charge: SubscriptionCharge) -> ChargeSegment:
    return ChargeSegment(
        subscription=subscription, line=charge.line, phase=charge.phase, product=charge.product, kind=charge.kind,
        starts_on=charge.starts_on, ends_on=charge.ends_on, quantity=charge.quantity, unit_price=charge.unit_price,
        amount_minor=charge.amount_minor,
    )  # fmt: skip
