"""What billing bills: one subscription per invoice group, its charges in segments that are never edited."""

from __future__ import annotations

from django.db import models
from django_fsm import transition

from q2c.models.order import Order
from q2c.states import StateField, StateRecord, Stays
from q2c.visible import VisibleQuerySet

# Billing bills nothing of it any more.
ENDED = ("cancelled", "expired")


class Subscription(StateRecord):
    """`ended_there_on` is the day as of which billing ends it though its order goes on here, earlier than `ends_on`;
    `ended_there_at` is when that day was first read.
    """

    stays = (Stays("a change is another subscription", but=("state", "ended_there_on", "ended_there_at")),)

    number = models.CharField(max_length=64, unique=True)
    state = StateField(default="provisioned")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="subscriptions")
    group = models.CharField(max_length=64)
    entity = models.CharField(max_length=20)
    currency = models.CharField(max_length=3)
    account = models.CharField(max_length=64)
    connection = models.CharField(max_length=60)
    reference = models.CharField(max_length=200, blank=True)
    starts_on = models.DateField()
    ends_on = models.DateField()
    provisioned_at = models.DateTimeField()
    ended_there_on = models.DateField(null=True)
    ended_there_at = models.DateTimeField(null=True)

    # Where a row came from, for a key that reads its own alone (see visible.py).
    came_from = ("order__source",)
    objects = VisibleQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "group"], name="one_subscription_per_group")]
        indexes = [
            models.Index(fields=["reference"], condition=~models.Q(reference=""), name="subscription_reference"),
            models.Index(fields=["order"], condition=models.Q(state="cancelled"), name="subscription_cancelled"),
            # Few: looked at with each poll of billing.
            models.Index(
                fields=["order"],
                condition=models.Q(ended_there_on__isnull=False),
                name="subscription_ended_there",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition("state", source="provisioned", target="active")
    def activate(self) -> None:
        """Its first phase has begun in billing."""

    @transition("state", source="active", target="suspended")
    def suspend(self) -> None:
        """Billing is paused."""

    @transition("state", source="suspended", target="active")
    def resume(self) -> None:
        """Billing goes on."""

    @transition("state", source=["provisioned", "active", "suspended"], target="cancelled")
    def cancel(self) -> None:
        """Ended before its term."""

    @transition("state", source="active", target="expired")
    def expire(self) -> None:
        """Its term is over."""


class ChargeSegment(models.Model):
    """One product over one phase; a change ends a segment and starts another."""

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="segments")
    line = models.PositiveSmallIntegerField()
    phase = models.PositiveSmallIntegerField()
    product = models.CharField(max_length=64)
    kind = models.CharField(max_length=12)
    starts_on = models.DateField()
    ends_on = models.DateField()
    quantity = models.DecimalField(max_digits=18, decimal_places=6)
    unit_price = models.DecimalField(max_digits=20, decimal_places=8)
    amount_minor = models.BigIntegerField()

    class Meta:
        ordering = ["phase", "line"]
        constraints = [models.UniqueConstraint(fields=["subscription", "line", "phase"], name="one_segment")]
