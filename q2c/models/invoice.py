"""An invoice that billing issued, as recorded and booked here."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django_fsm import transition

from q2c.models.event import Event
from q2c.models.order import Order
from q2c.states import StateField, StateRecord, Stays
from q2c.visible import VisibleQuerySet


class Invoice(StateRecord):
    stays = (
        Stays(
            "billing corrects it by another document",
            until=("issued",),
            but=("state", "taken_back_at", "reversed_at"),
        ),
    )

    number = models.CharField(max_length=64)
    source = models.CharField(max_length=200)
    state = StateField(default="issued")
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="invoices")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="invoices")
    group = models.CharField(max_length=64)
    subscription_number = models.CharField(max_length=64, blank=True)
    billing_reference = models.CharField(max_length=64)
    account = models.CharField(max_length=64)
    customer_name = models.CharField(max_length=200, blank=True)
    entity = models.CharField(max_length=20)
    currency = models.CharField(max_length=3)
    issued_on = models.DateField()
    due_on = models.DateField()
    net_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()
    total_minor = models.BigIntegerField()
    recorded_at = models.DateTimeField()
    taken_back_at = models.DateTimeField(null=True, editable=False, help_text="Billing has it posted no more since")
    # The database says it, as mirror entries are posted and reversed (migrations/0046).
    reversed_at = models.DateTimeField(
        null=True, editable=False, help_text="Its journal is reversed since: no books hold it"
    )

    # Where a row came from, for a key that reads its own alone (see visible.py).
    came_from = ("source", "order__source")
    objects = VisibleQuerySet.as_manager()

    class Meta:
        constraints = [
            # One that was voided makes room for the true one.
            models.UniqueConstraint(
                fields=["entity", "number"], condition=~Q(state="voided"), name="one_invoice_per_entity_number"
            ),
            models.UniqueConstraint(
                fields=["source", "billing_reference"],
                condition=~Q(state="voided"),
                name="one_invoice_per_billing_reference",
            ),
        ]
        indexes = [
            models.Index(fields=["total_minor", "id"], name="invoice_amount"),
            models.Index(fields=["-issued_on", "-id"], name="invoice_newest"),
            models.Index(fields=["source", "-issued_on", "-id"], name="invoice_told_by"),
            models.Index(fields=["number"], name="invoice_number"),
            models.Index(fields=["billing_reference"], name="invoice_billing_reference"),
            models.Index(fields=["correlation_id"], name="invoice_correlation"),
            models.Index(fields=["taken_back_at"], condition=Q(taken_back_at__isnull=False), name="invoice_taken_back"),
            models.Index(
                fields=["state", "-issued_on", "-id"],
                condition=~Q(state__in=["posted", "paid"]),
                name="invoice_on_its_way",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @transition("state", source="issued", target="recorded")
    def record(self) -> None:
        """Ties to its order; its journal is ready."""

    @transition("state", source="recorded", target="posted")
    def post(self) -> None:
        """The general ledger holds its journal."""

    @transition("state", source=["posted", "partly_paid"], target="partly_paid")
    def pay_partly(self) -> None:
        """Some of it is settled."""

    @transition("state", source=["posted", "partly_paid"], target="paid")
    def pay(self) -> None:
        """All of it is settled."""

    @transition("state", source=["issued", "recorded"], target="voided")
    def void(self) -> None:
        """As if it had never been; nothing of it was posted. What was posted is reversed, and keeps its number."""

    @transition("state", source=["posted", "partly_paid", "paid"], target="credited")
    def credit(self) -> None:
        """A credit memo takes all of it back."""


class InvoiceLine(models.Model):
    added_until = ("invoice", ("issued",))

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    line = models.PositiveSmallIntegerField()
    product = models.CharField(max_length=64)
    kind = models.CharField(max_length=12)
    charge = models.CharField(max_length=400, blank=True)
    description = models.CharField(max_length=400, blank=True)
    quantity = models.CharField(max_length=40)
    service_starts_on = models.DateField(null=True)
    service_ends_on = models.DateField(null=True)
    net_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()
    tax_code = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["line"]
        constraints = [models.UniqueConstraint(fields=["invoice", "line"], name="one_invoice_line")]
