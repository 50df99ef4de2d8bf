"""Events in and out: POST /events, single or many, each with its own result; GET /events, and what became of one."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from django.db.models import Manager, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action

from q2c.api import idempotency, parsing
from q2c.api.authentication import KeyHolder
from q2c.api.problems import Problem, described
from q2c.api.records import Records, instants
from q2c.api.replies import json_reply
from q2c.api.rights import by_key
from q2c.contracts import schema
from q2c.engine import intake
from q2c.engine.intake import Sender, Taken
from q2c.models import Event, Step
from q2c.reading import held
from q2c.reading.days import days_of


@by_key("q2c.add_event", "POST")
def post(request: HttpRequest, holder: KeyHolder) -> HttpResponse:
    """CloudEvents 1.0: structured, binary or batch; or NDJSON, one envelope a line."""
    items, kind = parsing.items_of(request)
    single = kind in (parsing.STRUCTURED, parsing.JSON)
    correlation_id = request.correlation_id if single else None  # type: ignore[attr-defined]
    sender = Sender(
        system=holder.system, actor=holder.get_username(), correlation_id=correlation_id, may=holder.has_perm,
        api_key=holder.key.pk, person=holder.key.created_by_id,
    )  # fmt: skip

    def act() -> HttpResponse:
        taken = intake.take(items, sender)
        return _one(request, taken[0]) if single else _many(request, taken, lines=kind == parsing.NDJSON)

    return idempotency.once(request, holder, request.body, act)


def _one(request: HttpRequest, taken: Taken) -> HttpResponse:
    if taken.status == "conflict":
        return _refusal(409, taken).response(request)
    if taken.status == "refused":
        return _refusal(_status_of(taken), taken).response(request)
    body = {"event_id": taken.event_id, "correlation_id": taken.correlation_id, "status": taken.status,
            "results": [_result(0, taken)]}  # fmt: skip
    return json_reply(body, 202, {"Location": f"/api/v1/events/{taken.event_id}"})


def _status_of(taken: Taken) -> int:
    code = taken.faults[0].code
    named = {"too_large": 413, "source_not_yours": 403, "forbidden": 403, "internal_error": 500}
    return 400 if code in parsing.UNREADABLE else named.get(code, 422)


def _refusal(status: int, taken: Taken) -> Problem:
    first = taken.faults[0]
    problem = Problem(status, first.code, first.detail, remedy=first.remedy, faults=taken.faults, case=taken.case_id)
    if taken.event_id:
        problem.more["event_id"] = taken.event_id
    return problem


def _many(request: HttpRequest, taken: Sequence[Taken], *, lines: bool) -> HttpResponse:
    counts = Counter(each.status for each in taken)
    body = {
        "correlation_id": request.correlation_id,  # type: ignore[attr-defined]
        **{status: counts[status] for status in ("stored", "duplicate", "conflict", "refused")},
        "results": [_result(i, each) for i, each in enumerate(taken)],
    }
    return json_reply(body, 202)


def _result(index: int, taken: Taken) -> dict[str, Any]:
    found: dict[str, Any] = {
        "index": index,
        "id": taken.source_id,
        "status": taken.status,
        "event_id": taken.event_id,
        "correlation_id": taken.correlation_id,
    }
    if taken.faults:
        found["case"] = taken.case_id
        found["errors"] = [described(fault) for fault in taken.faults]
    return found


@by_key("q2c.add_event", "GET")
def event_schema(request: HttpRequest, holder: KeyHolder, name: str) -> HttpResponse:
    """The JSON Schema that the data of an event is checked against."""
    for type_ in schema.inbound():
        if schema.name_of(type_) == name:
            return HttpResponse(schema.text_of(type_), content_type="application/schema+json")
    raise Http404


class _Steps(serializers.ListSerializer):
    """What holds them is asked once for all."""

    def to_representation(self, data: Any) -> list[Any]:
        steps = list(data.all() if isinstance(data, Manager) else data)
        self.child.fronts = held.in_front(self.context["request"].user, steps)  # type: ignore[union-attr]
        self.child.days = days_of(steps)  # type: ignore[union-attr]
        return super().to_representation(steps)


class StepSerializer(serializers.ModelSerializer):
    """What one stage did about the event, and where it stands."""

    fronts: dict[Any, held.Front] = {}
    days: dict[Any, dt.date] = {}
    waits_for = serializers.SerializerMethodField(
        help_text="Of a step that is held: which other step it waits for, how that stands, and its case"
    )
    due_on = serializers.SerializerMethodField(
        help_text="Of a step that waits for a day: which day, in the calendar of its legal entity"
    )

    @extend_schema_field(serializers.DateField(allow_null=True))
    def get_due_on(self, step: Step) -> dt.date | None:
        return self.days.get(step.id)

    def get_waits_for(self, step: Step) -> str:
        front = self.fronts.get(step.id)
        return str(front) if front else ""

    class Meta:
        model = Step
        list_serializer_class = _Steps
        fields = (
            "id", "stage", "part", "connection", "state", "attempts", "reason", "text", "reference", "document",
            "next_at", "due_on", "finished_at", "waits_for",
        )  # fmt: skip


class EventSerializer(serializers.ModelSerializer):
    class Meta:
        model = Event
        fields = (
            "id", "type", "schema_version", "source", "source_id", "correlation_id", "causation_id", "occurred_at",
            "received_at",
        )  # fmt: skip


class EventDetailSerializer(EventSerializer):
    """With its payload and its steps. The bytes as they were sent are at /events/{id}/sent."""

    payload = serializers.SerializerMethodField()
    steps = StepSerializer(many=True)

    class Meta(EventSerializer.Meta):
        fields = (*EventSerializer.Meta.fields, "payload", "steps")  # type: ignore[assignment]

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_payload(self, event: Event) -> Any:
        return msgspec.json.decode(event.payload)


class EventFilters(filters.FilterSet):
    type = filters.CharFilter()
    source = filters.CharFilter()
    source_id = filters.CharFilter()
    correlation_id = filters.UUIDFilter()
    received_from, received_before = instants("received_at")


class Events(Records):
    """Facts as they arrived, newest first."""

    model = Event
    one = "One event with what it says and the steps that followed from it."
    serializer_class = EventDetailSerializer
    list_serializer = EventSerializer
    filterset_class = EventFilters

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.action == "list":
            return queryset.defer("payload", "envelope")
        return queryset.prefetch_related("steps")

    @extend_schema(responses={(200, "application/json"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def sent(self, request: Any, pk: str) -> HttpResponse:
        """The event as it was sent, byte for byte."""
        return HttpResponse(self.get_object().as_sent, content_type="application/json")
