"""Orders in, answered at once, for a CPQ or a web shop: POST /orders[?dry_run=true]; and orders as they stand."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from exceptions.sentences import listed
from q2c.api import idempotency, parsing
from q2c.api.authentication import KeyHolder
from q2c.api.problems import Problem
from q2c.api.records import Records, days
from q2c.api.replies import json_reply
from q2c.api.rights import by_key
from q2c.contracts.strict import Faulty
from q2c.engine import submit
from q2c.engine.intake import Sender
from q2c.engine.submit import Answer
from q2c.models import Order, OrderGroup, OrderLine, Subscription
from q2c.reading import cancellation, given_up, orders
from q2c.reading.differences import KINDS
from q2c.reasons import APPROVALS
from q2c.stages import totals

_SHORTER = "Shorten its texts, or send it as several orders, each with a number of its own"


@by_key("q2c.add_order", "POST")
def post(request: HttpRequest, holder: KeyHolder) -> HttpResponse:
    """The order document, as OrderReceived carries it."""
    dry_run = _flag(request, "dry_run")
    if parsing.media_type_of(request) != parsing.JSON:
        raise Problem(
            415, "content_type", f"An order does not come as {request.content_type or 'nothing'}",
            remedy=f"Send {parsing.JSON}",
        )  # fmt: skip
    body = parsing.body_of(request, parsing.EVENT_MAX, shorter=_SHORTER)
    sender = Sender(
        system=holder.system, actor=holder.get_username(), correlation_id=request.correlation_id,  # type: ignore[attr-defined]
        api_key=holder.key.pk, person=holder.key.created_by_id,
    )  # fmt: skip

    def act() -> HttpResponse:
        try:
            item = submit.item_of(body, holder.system)
            answer = submit.rehearse(item, sender) if dry_run else submit.submit(item, sender)
        except Faulty as error:
            unreadable = error.faults[0].code in parsing.UNREADABLE
            problem = Problem(
                400 if unreadable else 422, error.faults[0].code if unreadable else "malformed",
                error.faults[0].detail if len(error.faults) == 1 else f"{len(error.faults)} members are wrong",
                faults=error.faults,
            )  # fmt: skip
            return problem.response(request)
        return _rehearsed(request, answer) if dry_run else _submitted(request, answer)

    return act() if dry_run else idempotency.once(request, holder, body, act, calls_out=True)


def _flag(request: HttpRequest, name: str) -> bool:
    """The one parameter that there is: a misspelt one would book what was to be tried."""
    if unknown := sorted(set(request.GET) - {name}):
        raise Problem(
            400, "query", f"There is no parameter {', '.join(unknown)[:200]}", remedy=f"Send {name}=true, or none"
        )
    if len(request.GET.getlist(name)) > 1:
        raise Problem(400, "query", f"{name} is there more than once", remedy=f"Send {name} once")
    given = request.GET.get(name, "false").lower()
    if given not in ("true", "false", "1", "0", ""):
        raise Problem(400, "query", f"{name} is {given!r}", remedy=f"Send {name}=true or {name}=false")
    return given in ("true", "1", "")


def _submitted(request: HttpRequest, answer: Answer) -> HttpResponse:
    match answer.status:
        case "accepted" | "awaiting_approval":
            headers = {"Location": f"/api/v1/orders/{answer.order.id}"} if answer.order else {}
            return json_reply(_body(answer), 201 if answer.is_new else 200, headers)
        case "waiting":
            headers = {"Location": f"/api/v1/events/{answer.event_id}", "Retry-After": "5"}
            text, failed = answer.text or "An earlier step of this order is not done yet", _failed_so_far(answer)
            then = f", and is refused then for {listed(failed)}: dry_run=true tells what is wrong" if failed else ""
            told = {"detail": f"{text.rstrip('.')}. It goes on by itself{then}.", "failed_so_far": failed}
            return json_reply(_body(answer) | told, 202, headers)
        case "refused":
            return _refused(answer, 422).response(request)
    said = "A newer version of this order has taken its place" if answer.status == "superseded" else answer.text
    problem = Problem(409, answer.status, said, remedy="Send a changed order, or a new order number")
    problem.more = _ids(answer)
    return problem.response(request)


def _failed_so_far(answer: Answer) -> list[str]:
    """Reasons of the checks of ours that this version fails, whatever the service says that is waited for."""
    if answer.order is None or answer.order.event_id != answer.event_id:
        return []
    found = dict.fromkeys(answer.order.controls.get("findings", ()))
    return [reason for reason in found if reason not in APPROVALS]


def _rehearsed(request: HttpRequest, answer: Answer) -> HttpResponse:
    if answer.status in ("accepted", "awaiting_approval"):
        return json_reply({"dry_run": True, "status": answer.status, "approvals": answer.findings}, 200)
    if answer.status == "refused":
        problem = _refused(answer, 422)
    elif answer.status == "waiting":
        problem = _refused(answer, 503)
        problem.code, problem.detail, problem.headers = "service_silent", answer.text, {"Retry-After": "5"}
        problem.remedy = "Ask again later; sent without dry_run the order is kept, and goes on by itself"
    else:
        remedy = "Send a changed order, or a new order number"
        problem = Problem(409, answer.status, "A newer version of this order is here", remedy=remedy)
    problem.more |= {"dry_run": True}
    return problem.response(request)


def _refused(answer: Answer, status: int) -> Problem:
    count = len(answer.findings)
    detail = str(answer.findings[0]["text"]) if count == 1 else f"{count} checks failed"
    problem = Problem(status, "order_refused", detail)
    problem.more = _ids(answer) | {"errors": [_error(finding) for finding in answer.findings]}
    return problem


def _error(finding: dict[str, Any]) -> dict[str, Any]:
    """As the errors of other problems, with the reason's name."""
    return {
        "reason": finding["reason"],
        "code": finding.get("code") or finding["reason"],
        "pointer": finding.get("pointer", ""),
        "detail": finding["text"],
        "seen": finding.get("seen"),
        "remedy": finding.get("remedy", ""),
        "blocker": finding.get("blocker"),
    }


def _ids(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"event_id": answer.event_id, "correlation_id": answer.correlation_id}
    if answer.case is not None:
        found["case"] = {"id": answer.case.id, "number": answer.case.shown}
    return {name: value for name, value in found.items() if value is not None}


def _body(answer: Answer) -> dict[str, Any]:
    order = answer.order
    shown = None
    if order is not None:
        shown = {
            "id": order.id, "number": order.number, "state": order.state, "customer": order.customer_key,
            "contract_entity": order.contract_entity, "currency": order.currency, "total_minor": order.total_minor,
            "amounts": totals.told(order),
            "tax_estimate_minor": order.tax_estimate_minor,
        }  # fmt: skip
    return {"status": answer.status, **_ids(answer), "order": shown,
            "approvals": [_error(finding) for finding in answer.findings]}  # fmt: skip


class OrderLineSerializer(serializers.ModelSerializer):
    class Meta:
        model = OrderLine
        fields = (
            "line", "group", "product", "kind", "quantity", "unit_price", "price_period", "discount_minor",
            "amount_minor", "revenue_treatment", "product_line", "description",
        )  # fmt: skip


class OrderGroupSerializer(serializers.ModelSerializer):
    class Meta:
        model = OrderGroup
        fields = ("key", "region", "entity", "bill_to", "currency", "total_minor")


class SubscriptionSerializer(serializers.ModelSerializer):
    """`ended_there_on`: as of when billing ends it before its order does, as read there while that went on here."""

    class Meta:
        model = Subscription
        fields = (
            "id",
            "number",
            "state",
            "group",
            "entity",
            "currency",
            "account",
            "reference",
            "starts_on",
            "ends_on",
            "ended_there_on",
        )


class AmountSerializer(serializers.Serializer):
    """What is sold in one currency, and what it counts for in that of the contract; null: no rate, so not counted."""

    currency = serializers.CharField()
    amount_minor = serializers.IntegerField()
    worth_minor = serializers.IntegerField(allow_null=True)
    rate = serializers.CharField(allow_null=True)
    rate_on = serializers.DateField(allow_null=True)


class OrderSerializer(serializers.ModelSerializer):
    """Amounts are minor units of `currency`; `amounts` says per currency what `total_minor` is made of."""

    amounts = serializers.SerializerMethodField()

    class Meta:
        model = Order
        fields = (
            "id", "number", "state", "source", "source_id", "event", "correlation_id", "customer_key",
            "customer_name", "payer_key", "contract_entity", "currency", "total_minor", "amounts", "tax_estimate_minor",
            "closed_on", "starts_on", "term_months", "received_at", "accepted_at",
        )  # fmt: skip

    @extend_schema_field(AmountSerializer(many=True))
    def get_amounts(self, order: Order) -> Any:
        return totals.told(order)


class GivenUpSerializer(serializers.Serializer):
    """`kind` invoice: posted in `where` (billing), and not in the books; journal: in the books, and not in `where`
    (its ledger); changed: booked otherwise than `where` (billing) has it now, the amount is what it has more; moved:
    `where` (billing) dates it in another period by now, the amount is what that takes out of `period`; cancelled: in
    the books, and not in `where` (billing) any more, the amount is what that takes out of them; unread: booked, and
    people gave up unread what `where` (billing) has by now, the amount is what its total is more, if one could be
    read. `why`: given_up (closed without fix, as `case` tells), reversed, changed or cancelled; what was reversed has
    a row for each period in which billing and the books differ, what billing has less what the books have. It stays
    until it is settled there or here."""

    kind = serializers.ChoiceField(list(KINDS))
    why = serializers.ChoiceField(["given_up", "reversed", "changed", "cancelled"])
    number = serializers.CharField()
    where = serializers.CharField()
    entity = serializers.CharField()
    period = serializers.CharField()
    amount_minor = serializers.IntegerField(allow_null=True)
    currency = serializers.CharField()
    case = serializers.UUIDField(source="case.id", allow_null=True, default=None)


class OrderDetailSerializer(OrderSerializer):
    """With what it is made of, the document as it was accepted, and what was given up of its invoices.

    `cancelled_in_part` says what billing has cancelled of an order that goes on, `ended_in_billing` what billing ends
    before the order does here, which no request from here has done; empty where that is nothing.
    """

    given_up = serializers.SerializerMethodField()
    cancelled_in_part = serializers.SerializerMethodField()
    ended_in_billing = serializers.SerializerMethodField()
    groups = OrderGroupSerializer(many=True)
    lines = OrderLineSerializer(many=True)
    subscriptions = SubscriptionSerializer(many=True)
    controls = serializers.JSONField()
    document = serializers.SerializerMethodField()

    class Meta(OrderSerializer.Meta):
        fields = (  # type: ignore[assignment]
            *OrderSerializer.Meta.fields, "groups", "lines", "subscriptions", "cancelled_in_part",
            "ended_in_billing", "controls", "given_up", "document",
        )  # fmt: skip

    def get_cancelled_in_part(self, order: Order) -> str:
        return cancellation.in_part_of(order)

    def get_ended_in_billing(self, order: Order) -> str:
        return cancellation.ended_there(order).text

    @extend_schema_field(GivenUpSerializer(many=True))
    def get_given_up(self, order: Order) -> Any:
        found = given_up.of_order(self.context["request"].user, order)
        rows = [row for one in found for row in (one.by_period() if one.sides else [one])]
        return GivenUpSerializer(rows, many=True).data

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_document(self, order: Order) -> Any:
        return msgspec.json.decode(order.document)


class OrderFilters(filters.FilterSet):
    number = filters.CharFilter()
    state = filters.CharFilter()
    customer = filters.CharFilter("customer_key")
    entity = filters.CharFilter("contract_entity")
    currency = filters.CharFilter(method="in_currency")
    correlation_id = filters.UUIDFilter()
    closed_from, closed_before = days("closed_on")

    def in_currency(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return queryset.filter(orders.in_currency(value))


class Orders(Records):
    """Closed deals and what became of them, newest first."""

    model = Order
    one = "One order with its invoice groups, its lines and its subscriptions."
    serializer_class = OrderDetailSerializer
    list_serializer = OrderSerializer
    filterset_class = OrderFilters

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.action == "list":
            return queryset.defer("document", "controls")
        return queryset.prefetch_related("groups", "lines", "subscriptions")
