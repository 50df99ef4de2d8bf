"""The baseline of intake: the same events through DRF serializers, as most projects would write it."""

from __future__ import annotations

from typing import Any

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from q2c import clock, keys
from q2c.models import Event


class Address(serializers.Serializer[Any]):
    country = serializers.CharField(max_length=2)
    city = serializers.CharField(required=False, allow_blank=True)


class Billing(serializers.Serializer[Any]):
    frequency = serializers.ChoiceField(["once", "monthly", "quarterly", "annual"])


class Line(serializers.Serializer[Any]):
    line = serializers.IntegerField(min_value=1)
    product = serializers.CharField(max_length=64)
    group = serializers.CharField(max_length=64)
    kind = serializers.ChoiceField(["one_time", "recurring", "usage"])
    quantity = serializers.DecimalField(max_digits=18, decimal_places=6)
    unit_price = serializers.DecimalField(max_digits=20, decimal_places=8)
    price_period = serializers.CharField()
    amount_minor = serializers.IntegerField(min_value=0)
    revenue_treatment = serializers.CharField()
    billing = Billing()


class Group(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=64)
    region = serializers.CharField(max_length=64)
    bill_to = serializers.CharField(max_length=64)
    currency = serializers.CharField(max_length=3)
    ship_to = Address()


class Party(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=64)
    name = serializers.CharField(max_length=200)


class Order(serializers.Serializer[Any]):
    order_number = serializers.CharField(max_length=64)
    customer = serializers.CharField(max_length=64)
    contract_entity = serializers.CharField(max_length=64)
    currency = serializers.CharField(max_length=3)
    closed_on = serializers.DateField()
    starts_on = serializers.DateField()
    term_months = serializers.IntegerField(min_value=1)
    parties = Party(many=True)
    groups = Group(many=True)
    lines = Line(many=True)


class Envelope(serializers.Serializer[Any]):
    specversion = serializers.CharField()
    id = serializers.CharField(max_length=200)
    source = serializers.CharField(max_length=200)
    type = serializers.CharField()
    time = serializers.DateTimeField()
    data = Order()


class Events(APIView):
    authentication_classes: tuple[Any, ...] = ()
    permission_classes: tuple[Any, ...] = ()

    def post(self, request: Request) -> Response:
        many = isinstance(request.data, list)
        found = Envelope(data=request.data, many=many)
        found.is_valid(raise_exception=True)
        rows = found.validated_data if many else [found.validated_data]
        bodies = request.data if many else [request.data]
        Event.objects.bulk_create(
            [_event(row, body) for row, body in zip(rows, bodies, strict=True)], ignore_conflicts=True
        )
        return Response({"stored": len(rows)}, status=202)


def _event(row: dict[str, Any], body: dict[str, Any]) -> Event:
    from rest_framework.renderers import JSONRenderer

    raw = JSONRenderer().render(body["data"]).decode()
    return Event(
        id=keys.new_id(), type="OrderReceived", schema_version=1, source=row["source"], source_id=row["id"],
        correlation_id=keys.new_id(), occurred_at=row["time"], received_at=clock.now(), payload=raw,
        payload_hash=keys.fingerprint(raw.encode()),
    )  # fmt: skip


urlpatterns = [path("events", Events.as_view())]
