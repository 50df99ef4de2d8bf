"""A closed deal and what became of it."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import JSONField, Q, Value
from django_fsm import transition

from q2c.models.event import Event
from q2c.models.fields import RawJSONField
from q2c.states import StateField, StateRecord, Stays
from q2c.visible import VisibleQuerySet

# An order that still takes another version of its deal.
UNDECIDED = ("received", "awaiting_approval")
OPEN = ["received", "awaiting_approval", "accepted", "provisioning", "active"]


class Order(StateRecord):
    """`document` is the OrderDocument as accepted; lines and groups are its queryable rows.

    `portions` is empty where all of `total_minor` is sold in `currency`. Else it holds each currency of its groups as
    it was counted: {currency, amount_minor, worth_minor, rate, rate_on}; what had no rate is worth null, and left out.
    `deal` is the deal's id at its sales platform, which has one order, whatever number it gives it: "salesforce:006…".
    """

    stays = (Stays("what was sold changes by another order", until=UNDECIDED, but=("state",)),)

    number = models.CharField(max_length=64, unique=True)
    state = StateField(default="received")
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="orders")
    source = models.CharField(max_length=200)
    source_id = models.CharField(max_length=200)
    # Empty for orders of other senders, whose number is their identity.
    deal = models.CharField(max_length=400, blank=True, default="", db_default="")
    document = RawJSONField()
    customer_key = models.CharField(max_length=64, db_index=True)
    customer_name = models.CharField(max_length=200, blank=True)
    payer_key = models.CharField(max_length=64, blank=True)
    contract_entity = models.CharField(max_length=20)
    currency = models.CharField(max_length=3)
    total_minor = models.BigIntegerField()
    portions = models.JSONField(default=list, db_default=Value([], JSONField()))
    tax_estimate_minor = models.BigIntegerField(null=True)
    controls = models.JSONField(default=dict)
    closed_on = models.DateField()
    starts_on = models.DateField()
    term_months = models.PositiveSmallIntegerField()
    received_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)

    # Where a row came from, for a key that reads its own alone (see visible.py).
    came_from = ("source",)
    objects = VisibleQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deal"], condition=~Q(deal=""), name="one_order_per_deal")]
        indexes = [
            models.Index(fields=["total_minor", "id"], name="order_amount"),
            models.Index(fields=["currency", "-received_at", "-id"], name="order_currency"),
            GinIndex(
                fields=["portions"],
                opclasses=["jsonb_path_ops"],
                condition=~Q(portions=[]),
                name="order_other_currency",
            ),
            models.Index(fields=["-received_at", "-id"], name="order_newest"),
            models.Index(fields=["correlation_id"], name="order_correlation"),
            # A deal's id, or its id and a colon and the version.
            models.Index(fields=["source_id"], opclasses=["text_pattern_ops"], name="order_source_id"),
            # What is on its way or ended early: few among many, and what people ask for by state.
            models.Index(
                fields=["state", "-received_at", "-id"],
                condition=~Q(state__in=["active", "completed"]),
                name="order_on_its_way",
            ),
        ]
        permissions = [("approve_order", "Can approve an order over a limit"), ("cancel_order", "Can cancel an order")]

    def __str__(self) -> str:
        return self.number

    @transition("state", source=["received", "awaiting_approval"], target="accepted")
    def accept(self) -> None:
        """Every control passed, and what needed a second person has one."""

    @transition("state", source=["received", "awaiting_approval"], target="rejected")
    def reject(self) -> None:
        """Given up; the sales platform is told."""

    @transition("state", source="received", target="awaiting_approval")
    def ask(self) -> None:
        """Only a second person's word is missing."""

    @transition("state", source="awaiting_approval", target="received")
    def recheck(self) -> None:
        """The deal changed while it waited, or another control fails now."""

    @transition("state", source="accepted", target="provisioning")
    def provision(self) -> None:
        """Billing has the first of its subscriptions."""

    @transition("state", source="provisioning", target="active")
    def activate(self) -> None:
        """Every phase that has begun is active in billing."""

    @transition("state", source="active", target="completed")
    def complete(self) -> None:
        """Its term is over and all of it is invoiced."""

    @transition("state", source=OPEN, target="cancelled")
    def cancel(self) -> None:
        """Undone: what was provisioned is cancelled."""


class OrderGroup(models.Model):
    """One invoice group: one legal entity, bill-to and currency. Written as its order is accepted, never changed."""

    added_until = ("order", UNDECIDED)

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="groups")
    key = models.CharField(max_length=64)
    region = models.CharField(max_length=64)
    entity = models.CharField(max_length=20)
    bill_to = models.CharField(max_length=64)
    currency = models.CharField(max_length=3)
    total_minor = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "key"], name="one_group_per_key")]
        # What a paying account has bought: asked with each deal of theirs.
        indexes = [models.Index(fields=["bill_to"], name="order_group_payer")]


class OrderLine(models.Model):
    """One product in one group. Quantities and unit prices stay decimals; amounts are minor units. As its group."""

    added_until = ("order", UNDECIDED)

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines")
    line = models.PositiveSmallIntegerField()
    group = models.CharField(max_length=64)
    product = models.CharField(max_length=64)
    kind = models.CharField(max_length=12)
    quantity = models.DecimalField(max_digits=18, decimal_places=6)
    unit_price = models.DecimalField(max_digits=20, decimal_places=8)
    price_period = models.CharField(max_length=8)
    discount_minor = models.BigIntegerField(default=0)
    amount_minor = models.BigIntegerField()
    # As the tax service had it when the order was accepted; None where none was asked.
    tax_estimate_minor = models.BigIntegerField(null=True)
    # What it is booked by, whatever its product becomes. An order says its treatment; the line is its product's as the
    # order was accepted.
    revenue_treatment = models.CharField(max_length=20)
    product_line = models.CharField(max_length=40, blank=True, default="", db_default="")
    description = models.CharField(max_length=400, blank=True)

    class Meta:
        ordering = ["line"]
        constraints = [models.UniqueConstraint(fields=["order", "line"], name="one_line_per_number")]
