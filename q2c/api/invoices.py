"""Invoices that billing issued, as recorded here."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from q2c.api.records import Records, days
from q2c.models import Invoice, InvoiceLine
from q2c.reading import redated_items, reversed_items


class InvoiceLineSerializer(serializers.ModelSerializer):
    class Meta:
        model = InvoiceLine
        fields = (
            "line", "product", "kind", "charge", "description", "quantity", "service_starts_on", "service_ends_on",
            "net_minor", "tax_minor", "tax_code",
        )  # fmt: skip


class InvoiceSerializer(serializers.ModelSerializer):
    """Amounts are minor units of `currency`."""

    class Meta:
        model = Invoice
        fields = (
            "id", "number", "state", "source", "event", "correlation_id", "order", "group", "subscription_number",
            "billing_reference", "account", "customer_name", "entity", "currency", "issued_on", "due_on",
            "net_minor", "tax_minor", "total_minor", "recorded_at",
        )  # fmt: skip


class RedatedSerializer(serializers.Serializer):
    """The decision by which it is booked on `effective_on` instead of its own date, `source_on`."""

    journal = serializers.CharField()
    journal_id = serializers.UUIDField(source="entry_id")
    booked_in = serializers.CharField()
    source_on = serializers.DateField()
    effective_on = serializers.DateField()
    reason = serializers.CharField()
    asked_by = serializers.CharField()
    approved_by = serializers.CharField()
    at = serializers.DateTimeField()


class SideSerializer(serializers.Serializer):
    """`billing_less_books_minor` is in minor units of the invoice's currency."""

    period = serializers.CharField()
    billing_less_books_minor = serializers.IntegerField(source="worth.minor")


class ReversedElsewhereSerializer(serializers.Serializer):
    """The mirror entry that left the invoice in two months in the books, and who decided it; nothing is to be done.

    `restores`: it brought back what was reversed in the first of the two `months`.
    """

    journal = serializers.CharField(source="decision.journal")
    journal_id = serializers.UUIDField(source="decision.entry_id")
    entity = serializers.CharField()
    restores = serializers.BooleanField()
    effective_on = serializers.DateField(source="decision.effective_on")
    months = SideSerializer(many=True, source="sides")
    reason = serializers.CharField(source="decision.reason")
    asked_by = serializers.CharField(source="decision.asked_by")
    approved_by = serializers.CharField(source="decision.approved_by")
    at = serializers.DateTimeField(source="decision.at", allow_null=True)


class InvoiceDetailSerializer(InvoiceSerializer):
    """With its lines; `redated` is null where it is booked on its own date. `reversed_elsewhere` are the months that
    keep a part of it though billing and the books agree as a whole."""

    lines = InvoiceLineSerializer(many=True)
    redated = serializers.SerializerMethodField()
    reversed_elsewhere = serializers.SerializerMethodField()

    class Meta(InvoiceSerializer.Meta):
        fields = (*InvoiceSerializer.Meta.fields, "lines", "redated", "reversed_elsewhere")  # type: ignore[assignment]

    @extend_schema_field(RedatedSerializer(allow_null=True))
    def get_redated(self, invoice: Invoice) -> Any:
        decision = redated_items.of_invoice(invoice)
        return RedatedSerializer(decision).data if decision else None

    @extend_schema_field(ReversedElsewhereSerializer(many=True))
    def get_reversed_elsewhere(self, invoice: Invoice) -> Any:
        return ReversedElsewhereSerializer(reversed_items.of_invoice(invoice), many=True).data


class InvoiceFilters(filters.FilterSet):
    number = filters.CharFilter()
    state = filters.CharFilter()
    order = filters.UUIDFilter("order_id")
    order_number = filters.CharFilter("order__number")
    entity = filters.CharFilter()
    currency = filters.CharFilter()
    account = filters.CharFilter()
    source = filters.CharFilter(help_text="The system that told of it, as the invoice says")
    correlation_id = filters.UUIDFilter()
    issued_from, issued_before = days("issued_on")


class Invoices(Records):
    """Invoices that billing issued, newest first."""

    model = Invoice
    one = "One invoice with its lines."
    serializer_class = InvoiceDetailSerializer
    list_serializer = InvoiceSerializer
    filterset_class = InvoiceFilters

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.action == "list" else queryset.prefetch_related("lines")
