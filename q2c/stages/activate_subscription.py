"""activate_subscription: on the day a phase begins, billing is told, phase after phase."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

from django.db.models import Count, F, Q

from ledger.models import LegalEntity
from q2c import clock, states
from q2c.connectors.outcomes import Lookup, Outcome, Posted
from q2c.contracts.events import SubscriptionFact
from q2c.models import Order, Subscription
from q2c.models.subscription import ENDED
from q2c.reasons import Reason
from q2c.stages import orders
from q2c.stages.entity_time import midnight
from q2c.stages.verb import Fact, OpenPort, Part, Verb, Work


class ActivateSubscription(Verb):
    """One step per phase, due at midnight of the entity's own day; phases keep their order."""

    writes = True

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        found = {
            str(s.id): s
            for s in Subscription.objects.filter(id__in=[fact.payload.subscription_id for fact in facts])
            .select_related("order")
            .prefetch_related("segments")
        }
        zones = dict(LegalEntity.objects.values_list("code", "timezone"))
        return [self._parts(found[fact.payload.subscription_id], zones) for fact in facts]

    def _parts(self, subscription: Subscription, zones: dict[str, str]) -> list[Part]:
        starts = {s.phase: s.starts_on for s in subscription.segments.all()}
        amounts: dict[int, int] = {}
        for segment in subscription.segments.all():
            amounts[segment.phase] = amounts.get(segment.phase, 0) + segment.amount_minor
        return [
            Part(
                part=f"phase-{phase}",
                connection=subscription.connection,
                order_key=f"activation:{subscription.number}",
                not_before=max(midnight(day, zones.get(subscription.entity, "UTC")), clock.now()),
                business_key=subscription.order.number,
                customer=subscription.order.customer_name,
                amount_minor=amounts[phase],
                currency=subscription.currency,
                entity=subscription.entity,
            )
            for phase, day in sorted(starts.items())
        ]

    def prepare(self, works: Sequence[Work]) -> None:
        found = _subscriptions(works)
        for work in works:
            subscription = found[work.fact.payload.subscription_id]
            phase = int(work.step.part.removeprefix("phase-"))
            if subscription.state in ENDED:
                work.outcome = _not_needed(subscription)
                continue
            day: dt.date = next(s.starts_on for s in subscription.segments.all() if s.phase == phase)
            work.request = (subscription.number, phase, day)

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        return open_port(work.step.connection).activate(*work.request, work.step.key)

    def look_up(self, open_port: OpenPort, work: Work) -> Lookup:
        return open_port(work.step.connection).is_activated(*work.request, work.step.key)

    def record(self, works: Sequence[Work]) -> None:
        active = [work for work in works if work.request is not None]
        ids = [work.fact.payload.subscription_id for work in active]
        # Two groups of one order may begin at once: who comes second must see what the first one did.
        orders.hold({work.fact.payload.order_id for work in active})
        states.move(Subscription, "activate", ids)
        states.move(Order, "activate", _begun(ids))
        for work in active:
            payload = work.fact.payload
            work.emit(
                "SubscriptionActivated",
                SubscriptionFact(
                    order_id=payload.order_id, order_number=payload.order_number,
                    subscription_id=payload.subscription_id, group=payload.group, phase=work.request[1],
                ),
            )  # fmt: skip

    def failed(self, works: Sequence[Work]) -> None:
        """What its own order's cancellation has ended meanwhile is nobody's case."""
        late = [work for work in works if work.findings[0].reason == Reason.SUBSCRIPTION_ENDED]
        # Either this sees what the cancellation did, or that one gives up what fails here.
        orders.hold({work.fact.payload.order_id for work in late})
        found = _subscriptions(late)
        for work in late:
            subscription = found[work.fact.payload.subscription_id]
            if subscription.state in ENDED:
                work.findings.clear()
                work.outcome = _not_needed(subscription)


def _not_needed(subscription: Subscription) -> Posted:
    return Posted(reference="", proof={"not_needed": f"subscription {subscription.state}"})


def _begun(subscription_ids: Sequence[str]) -> list[uuid.UUID]:
    """The orders of these subscriptions of which every invoice group has begun in billing."""
    begun = Count("subscriptions", filter=~Q(subscriptions__state="provisioned"), distinct=True)
    touched = Order.objects.filter(id__in=Subscription.objects.filter(id__in=subscription_ids).values("order"))
    counted = touched.annotate(begun=begun, wanted=Count("groups", distinct=True))
    return list(counted.filter(begun=F("wanted")).values_list("id", flat=True))


def _subscriptions(works: Sequence[Work]) -> dict[str, Subscription]:
    ids = [work.fact.payload.subscription_id for work in works]
    return {str(s.id): s for s in Subscription.objects.filter(id__in=ids).prefetch_related("segments")}
