"""What changed of billing's subscriptions: what ends there before its order does here is kept, and told to a person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import msgspec

from exceptions.failures import RawItem
from q2c.connectors.outcomes import ReadFailed, Unavailable
from q2c.connectors.ports import SubscriptionNotice
from q2c.engine import intake
from q2c.engine.source import READING_SUBSCRIPTIONS, Source
from q2c.models import Subscription, SubscriptionCursor
from q2c.models.subscription import ENDED
from q2c.reasons import Reason
from q2c.stages import cut_short
from q2c.stages.cut_short import CutShort


class Subscriptions(Source):
    """They tell no facts: what billing sells is its orders', which come from here."""

    cursors = SubscriptionCursor
    reading = READING_SUBSCRIPTIONS

    def first(self) -> dt.datetime | None:
        """Since the oldest that goes on was made: what was cancelled before the first poll is not billed, either."""
        live = Subscription.objects.filter(connection=self.name).exclude(state__in=ENDED).order_by("provisioned_at")
        return live.values_list("provisioned_at", flat=True).first()

    def changed(self, since: dt.datetime) -> Iterator[SubscriptionNotice]:
        return iter(self.connector.changed_subscriptions(since))

    def take(self, notices: Sequence[SubscriptionNotice]) -> tuple[int, dt.datetime]:
        cut_short.keep(self.name, notices)
        self.settle()
        return 0, max(notice.changed_at for notice in notices)

    def settle(self) -> None:
        """Tell what stands and nobody was told of, once for each day; end the cases of what does not stand any more.

        Also where nothing changed: a request of ours may have ended, one way or the other.
        """
        standing = cut_short.of_connection(self.name)
        intake.keep_raw([self._case(one) for one in standing if not one.is_asked], self.sender.actor)
        still = {(one.number, one.on.isoformat()) for one in standing}
        told = cut_short.open_cases(connection=self.name)
        cut_short.over([id_ for id_, said in told.items() if said not in still], self.sender.actor)

    def look_again(self) -> None:
        """What takes a cancellation back may leave the stamp of the version before: those few are read by number."""
        for one in cut_short.of_connection(self.name):
            said = self.connector.subscription(one.number)
            if isinstance(said, Unavailable):
                raise ReadFailed(said)
            if isinstance(said, SubscriptionNotice):
                cut_short.keep(self.name, [said])
        self.settle()

    def _case(self, one: CutShort) -> RawItem:
        last, called = one.ends_on - dt.timedelta(days=1), self.connection.called
        text = (
            f"{called} ends subscription {one.number} as of {one.on}, and order {one.order} goes on here until {last}: "
            f"cancel the order here as of {one.on}, or have the cancellation taken back in {called}"
        )
        # Told anew when billing says another day, or says this one once more after it had taken it back.
        mark = {"subscription": one.number, "ends_on": one.on.isoformat(), "since": one.at.isoformat()}
        context = {
            "type": "Subscription", "reference": one.number, "order": one.order, "ends_on": one.on.isoformat(),
        }  # fmt: skip
        return RawItem(
            body=msgspec.json.encode(mark), source=self.name, reason=Reason.SUBSCRIPTION_CUT_SHORT, text=text,
            content_type="application/json", business_key=one.order, customer=one.customer_name or one.customer_key,
            amount_minor=one.rest_minor, currency=one.currency, entity=one.entity,
            correlation_id=one.correlation_id, context=context,
        )  # fmt: skip
