"""What one person, or the flow, asked for and a second person decides; and fiscal periods, which are reopened so."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from django.utils.functional import cached_property
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from exceptions import approvals, rights
from exceptions.approvals import Decision
from exceptions.models import Approval
from ledger.models import FiscalPeriod
from q2c.api.cases import WhySerializer, person_of
from q2c.api.problems import Problem
from q2c.api.records import Records, days, instants
from q2c.engine import decisions, desk
from q2c.reading import billing_beside


class ApprovalSerializer(serializers.ModelSerializer):
    """`action` is close_without_fix, redate, reopen_period, post_after_all, or the reason that waits; `data` is what is
    granted; `shown` is what its page showed whoever decided there, where that is gone afterwards. `billing_has` is what
    billing has otherwise of an invoice that waits, as told since this was asked for: it is asked about next."""

    requested_by = serializers.CharField(source="requested_by.username", allow_null=True, default=None)
    decided_by = serializers.CharField(source="decided_by.username", allow_null=True, default=None)
    billing_has = serializers.SerializerMethodField()

    class Meta:
        model = Approval
        fields = (
            "id", "state", "action", "subject_type", "subject_id", "case", "reason", "amount_minor", "currency", "data",
            "requested_by", "requested_at", "decided_by", "decided_at", "decision", "shown", "billing_has",
        )  # fmt: skip

    def get_billing_has(self, asked: Approval) -> str:
        return self._untold.get(asked.id, "")

    @cached_property
    def _untold(self) -> dict[uuid.UUID, str]:
        """Of all of a page at once."""
        rows: Any = self.parent.instance if self.parent is not None else [self.instance]
        return billing_beside.untold(rows)


class ApprovalFilters(filters.FilterSet):
    state = filters.CharFilter()
    action = filters.CharFilter()
    case = filters.UUIDFilter("case_id")
    requested_from, requested_before = instants("requested_at")


class Approvals(Records):
    """Newest first. Nobody decides what they asked for, nor what they could not ask for; a key acts for its maker,
    with no right that either lacks."""

    one = "A request with what it grants."
    model = Approval
    serializer_class = ApprovalSerializer
    filterset_class = ApprovalFilters
    rights = {"approve": rights.APPROVE, "refuse": rights.APPROVE, "withdraw": rights.WORK}

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.select_related("requested_by", "decided_by", "case")

    @extend_schema(request=WhySerializer, responses=ApprovalSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Any, pk: str) -> Response:
        """Agree: what was asked for is done now; what is still in the way, its case says. `why` may be said.

        409, and nothing is signed, where it cannot be done any more: a reversal or a re-dating of a day that its period
        does not take, a posting of what is given up no more.
        """
        asked, why = self.get_object(), _why(request)
        return self._decided(asked, desk.approve(_decider(request, asked), [asked.id], why))

    @extend_schema(request=WhySerializer, responses=ApprovalSerializer)
    @action(detail=True, methods=["post"])
    def refuse(self, request: Any, pk: str) -> Response:
        """Disagree, and say `why`; whoever asked reads it."""
        asked, why = self.get_object(), _why(request)
        return self._decided(asked, desk.refuse(_decider(request, asked), [asked.id], why))

    @extend_schema(request=WhySerializer, responses=ApprovalSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Any, pk: str) -> Response:
        """Take back what the same person asked for."""
        asked, why = self.get_object(), _why(request)
        return self._decided(asked, desk.withdraw(person_of(request.user, rights.WORK), [asked.id], why))

    def _decided(self, asked: Approval, decision: Decision) -> Response:
        for why in decision.left.values():
            raise Problem(409, "not_possible", f"{why[:1].upper()}{why[1:]}")
        return Response(ApprovalSerializer(Approval.objects.visible_to(self.request.user).get(id=asked.id)).data)


Approvals.right = "exceptions.view_case"  # type: ignore[attr-defined]


def _decider(request: Any, asked: Approval) -> Any:
    """Who decides on it. By a key, its scopes and its maker's rights hold both what that needs."""
    return person_of(request.user, *approvals.rights_for(asked.action))


def _why(request: Any) -> str:
    given = WhySerializer(data=request.data or {})
    given.is_valid(raise_exception=True)
    return str(given.validated_data["why"])


class PeriodSerializer(serializers.ModelSerializer):
    """`ends_on` is the first day that no longer counts; `key` is what blockers and requests name.

    `soft_closed` takes mirror entries alone, `closed` nothing: what waits as a case finds it closed once it is
    replayed, also a blocked journal that has its number.
    """

    entity = serializers.CharField(source="entity.code")
    key = serializers.CharField()

    class Meta:
        model = FiscalPeriod
        fields = ("id", "key", "entity", "subledger", "name", "fiscal_year", "starts_on", "ends_on", "state")


class PeriodFilters(filters.FilterSet):
    entity = filters.CharFilter("entity__code")
    subledger = filters.CharFilter()
    name = filters.CharFilter(help_text="2026-11")
    state = filters.CharFilter()
    starts_from, starts_before = days("starts_on")


class Periods(Records):
    """Fiscal periods by entity and subledger."""

    one = "A period as it stands."
    model = FiscalPeriod
    serializer_class = PeriodSerializer
    filterset_class = PeriodFilters
    rights = {"reopen": "ledger.reopen_period"}

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.select_related("entity")

    @extend_schema(request=WhySerializer, responses={202: ApprovalSerializer})
    @action(detail=True, methods=["post"])
    def reopen(self, request: Any, pk: str) -> Response:
        """Ask that it be reopened, and say `why`; it stays closed until a second person approves."""
        period, person = self.get_object(), person_of(request.user, "ledger.reopen_period")
        asked = decisions.ask_to_reopen(person, period, _why(request))
        return Response(ApprovalSerializer(asked).data, status=202)
