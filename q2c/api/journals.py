"""Journal entries with their lines, and why they are what they are."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from ledger.models import JournalEntry, JournalLine
from q2c.api.cases import person_of
from q2c.api.problems import Problem
from q2c.api.records import Records, days
from q2c.engine import requests
from q2c.engine.requests import REASON_MAX
from q2c.reading import why


class JournalLineSerializer(serializers.ModelSerializer):
    """amount_minor > 0 is a debit, < 0 a credit."""

    account = serializers.CharField(source="account.code")
    account_name = serializers.CharField(source="account.name")
    rule = serializers.SerializerMethodField()

    class Meta:
        model = JournalLine
        fields = (
            "line", "account", "account_name", "amount_minor", "functional_minor", "group_minor", "dimensions",
            "customer", "memo", "rule",
        )  # fmt: skip

    def get_rule(self, line: JournalLine) -> str:
        """The posting rule and version that made the line."""
        return str(line.rule_line.rule) if line.rule_line else ""


class JournalSerializer(serializers.ModelSerializer):
    """`total_minor` is the sum of the debits; `worth_minor` what its document comes to, less than nothing of a credit
    and of the mirror of a charge; `document_number` is what the ERP calls it."""

    entity = serializers.CharField(source="entity.code")
    period = serializers.CharField(source="period.name")

    class Meta:
        model = JournalEntry
        fields = (
            "id", "number", "state", "entity", "journal", "fiscal_year", "event_id", "event_type", "correlation_id",
            "rule_set", "generation", "effective_on", "booked_at", "period", "subledger", "currency",
            "functional_currency", "group_currency", "functional_rate", "group_rate", "customer", "memo",
            "business_document", "key", "line_count", "total_minor", "worth_minor", "reverses", "superseded_by",
            "document_number", "posted_reference", "posted_at",
        )  # fmt: skip


class JournalDetailSerializer(JournalSerializer):
    lines = JournalLineSerializer(many=True)

    class Meta(JournalSerializer.Meta):
        fields = (*JournalSerializer.Meta.fields, "lines")  # type: ignore[assignment]


class LookedSerializer(serializers.Serializer):
    rule_id = serializers.IntegerField()
    rule = serializers.CharField()
    fits = serializers.BooleanField()
    won = serializers.BooleanField()
    why = serializers.CharField()


class ChoiceSerializer(serializers.Serializer):
    """One leg of one line of the fact: the rule that won, and all that were looked at, the most specific first."""

    line = serializers.IntegerField()
    leg = serializers.CharField()
    winner = serializers.CharField(help_text="Empty where no rule fits")
    looked = LookedSerializer(many=True)
    today = serializers.CharField(help_text="The rule that would win by now, where it is another than booked it")


class ExplanationSerializer(serializers.Serializer):
    choices = ChoiceSerializer(many=True)
    kept = serializers.BooleanField(
        help_text="By what its rules matched on as it was booked; false of older entries, which kept none: those by "
        "what their order and the rules say today"
    )
    since = serializers.ListField(
        child=serializers.CharField(), help_text="What is no longer as it was booked, in sentences"
    )


class ReverseSerializer(serializers.Serializer):
    effective_on = serializers.DateField(help_text="The day of the mirror entry, not before the entry's own")
    reason = serializers.CharField(max_length=REASON_MAX, help_text="Becomes the memo of the mirror entry")


class ReversalSerializer(serializers.Serializer):
    event_id = serializers.UUIDField()
    correlation_id = serializers.UUIDField()


class JournalFilters(filters.FilterSet):
    number = filters.CharFilter()
    state = filters.CharFilter()
    entity = filters.CharFilter("entity__code")
    period = filters.CharFilter("period__name")
    subledger = filters.CharFilter()
    currency = filters.CharFilter()
    document_number = filters.CharFilter()
    business_document = filters.CharFilter(help_text="invoice:INV-001")
    event_id = filters.UUIDFilter()
    effective_from, effective_before = days("effective_on")


class Journals(Records):
    """Journal entries, newest first."""

    model = JournalEntry
    one = "One entry with its lines: account, dimensions, three amounts, and the rule and version that made each."
    serializer_class = JournalDetailSerializer
    list_serializer = JournalSerializer
    filterset_class = JournalFilters
    rights = {"reverse": "ledger.reverse_journalentry"}

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = queryset.select_related("entity", "period")
        if self.action == "list":
            return queryset
        return queryset.prefetch_related("lines__account", "lines__rule_line__rule")

    @extend_schema(request=ReverseSerializer, responses={202: ReversalSerializer})
    @action(detail=True, methods=["post"])
    def reverse(self, request: Any, pk: str) -> Response:
        """Ask for its mirror entry; nothing is booked until a second person approves (see approvals)."""
        entry, given = self.get_object(), ReverseSerializer(data=request.data or {})
        given.is_valid(raise_exception=True)
        person = person_of(request.user, "ledger.reverse_journalentry")
        asked = given.validated_data
        stored = requests.reverse_journal(person, entry, asked["effective_on"], asked["reason"])
        return Response({"event_id": stored.id, "correlation_id": stored.correlation_id}, status=202)

    @extend_schema(responses=ExplanationSerializer)
    @action(detail=True, methods=["get"])
    def explain(self, request: Any, pk: str) -> Response:
        """Which rules were looked at as it was booked, which won and why; and what has changed since."""
        entry: JournalEntry = self.get_object()
        told = why.explain(request.user, entry.id)
        if told is None:
            raise Problem(409, "not_by_rule", "This entry was not made from an invoice by rule: it mirrors another")
        choices = [asdict(choice) for choice in told.choices]
        return Response({"choices": choices, "kept": told.kept, "since": told.since})
