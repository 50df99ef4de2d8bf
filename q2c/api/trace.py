"""GET /trace?q=…: the whole journey that any identifier of any system belongs to."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from q2c import trace
from q2c.api.cases import CaseSerializer
from q2c.api.events import EventSerializer, StepSerializer
from q2c.api.invoices import InvoiceSerializer
from q2c.api.journals import JournalSerializer
from q2c.api.orders import OrderSerializer, SubscriptionSerializer
from q2c.api.problems import Problem
from q2c.models import CrossReference


class ReferenceSerializer(serializers.ModelSerializer):
    class Meta:
        model = CrossReference
        fields = ("connection", "kind", "our_key", "reference", "document", "at")


class TraceSerializer(serializers.Serializer):
    """Empty lists where the caller may not see a noun. `candidates` are orders of the customers or the account that `q`
    names: these have no one journey.
    """

    query = serializers.CharField()
    found_as = serializers.ListField(child=serializers.CharField(), help_text="What the identifier is")
    correlation_ids = serializers.ListField(child=serializers.UUIDField())
    events = EventSerializer(many=True)
    steps = StepSerializer(many=True)
    orders = OrderSerializer(many=True)
    subscriptions = SubscriptionSerializer(many=True)
    invoices = InvoiceSerializer(many=True)
    journals = JournalSerializer(many=True)
    cases = CaseSerializer(many=True)
    references = ReferenceSerializer(many=True)
    candidates = OrderSerializer(many=True)


class Trace(APIView):
    """Order, invoice, journal or case numbers; ids of the sales platform, billing or the ERP; event ids; customers."""

    right = "q2c.view_event"

    @extend_schema(
        parameters=[
            OpenApiParameter("q", str, required=True, description="Any identifier, or part of a customer's name")
        ],
        responses=TraceSerializer,
    )
    def get(self, request: Any) -> Response:
        query = request.query_params.get("q", "").strip()
        if not query:
            raise Problem(400, "query", "q is empty", remedy="Send an order number, an invoice number, any identifier")
        if "\x00" in query:
            raise Problem(400, "nul_character", "q holds a nul character", remedy="Leave it out")
        found = trace.find(request.user, query)
        if getattr(request.user, "reads_only", ""):
            # That there is such a thing of another system is not told either.
            rows: list[Any] = [*found.events, *found.orders, *found.invoices, *found.cases]
            seen = {row.correlation_id for row in rows}
            found.correlation_ids = [id_ for id_ in found.correlation_ids if id_ in seen]
            found.found_as = found.found_as if seen else []
        return Response(TraceSerializer(found, context={"request": request}).data)
