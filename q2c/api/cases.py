"""Cases: listed as in the queue, read with their timeline, claimed, commented on and replayed."""

from __future__ import annotations

import base64
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from exceptions import casework, rights, search, tabs
from exceptions.done import Done
from exceptions.models import Case, CaseEvent
from exceptions.models.case import WORTH, amounts_of
from q2c.api.authentication import KeyHolder
from q2c.api.problems import Problem
from q2c.api.records import Records, instants, tellable
from q2c.api.rights import lacking
from q2c.engine import after_all, decisions, desk
from q2c.reading import billing_now, what_stays

_QUERY = [
    OpenApiParameter("q", str, description="As in the query bar: reason:period_closed entity:DE amount:>10000"),
    OpenApiParameter("tab", str, enum=list(tabs.TABS), description="A tab of the queue"),
]


class CaseAmountSerializer(serializers.Serializer):
    """Minor units of one currency; below zero of a credit."""

    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()


class CaseSerializer(serializers.ModelSerializer):
    """Amounts are minor units of `currency`; below zero of a credit, and of the reversal of a charge.

    Of a case about several currencies `amount_minor` is null: `amounts` tells each, and the one where there is one.
    """

    number = serializers.CharField(source="shown")
    owner_team = serializers.CharField(source="owner_team_id")
    assignee = serializers.CharField(source="assignee.username", allow_null=True, default=None)
    problem = serializers.UUIDField(source="problem_id")
    blocker = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="Connection, object type, object key, condition"
    )

    amounts = serializers.SerializerMethodField()

    class Meta:
        model = Case
        fields = (
            "id", "number", "state", "problem", "step_id", "event_id", "correlation_id", "stage", "part", "reason",
            "text", "code", "field", "severity", "connection", "blocker", "owner_team", "assignee", "amount_minor",
            "currency", "amounts", "entity", "period", "business_key", "customer", "customer_key", "source", "target",
            "opened_at", "last_failed_at", "due_at", "attempts", "resolved_at", "resolution", "root_cause",
            "document",
        )  # fmt: skip

    @extend_schema_field(CaseAmountSerializer(many=True))
    def get_amounts(self, case: Case) -> list[dict[str, Any]]:
        return [{"amount_minor": minor, "currency": currency} for minor, currency in amounts_of(case)]


class CaseEventSerializer(serializers.ModelSerializer):
    class Meta:
        model = CaseEvent
        fields = ("kind", "at", "actor", "text", "data")


class CaseDetailSerializer(CaseSerializer):
    """With what was found, the proof of what was posted, its timeline, and the bytes of what came in unreadable."""

    context = serializers.JSONField()  # type: ignore[assignment]
    proof = serializers.JSONField()
    events = CaseEventSerializer(many=True)
    to_do = serializers.SerializerMethodField(
        help_text="Of an invoice that billing took back, what to do as its journal stands now"
    )
    stays = serializers.SerializerMethodField(help_text="Of one closed without fix: what became of its document")
    raw_base64 = serializers.SerializerMethodField()

    class Meta(CaseSerializer.Meta):
        fields = (*CaseSerializer.Meta.fields, "context", "proof", "events", "to_do", "stays", "raw_base64")  # type: ignore[assignment]

    def get_to_do(self, case: Case) -> str:
        return billing_now.what_to_do(case)

    def get_stays(self, case: Case) -> str:
        return what_stays.has(self.context["request"].user, case)  # type: ignore[index]

    def get_raw_base64(self, case: Case) -> str | None:
        """What was sent, where it could not be read."""
        raw = getattr(case, "raw", None)
        return base64.b64encode(bytes(raw.body)).decode() if raw else None


class CommentSerializer(serializers.Serializer):
    text = serializers.CharField(max_length=10_000)


class WhySerializer(serializers.Serializer):
    why = serializers.CharField(max_length=1000, required=False, default="", allow_blank=True)


class RedateSerializer(serializers.Serializer):
    effective_on = serializers.DateField(help_text="A day of the first open period")
    why = serializers.CharField(max_length=1000)


class AfterAllSerializer(serializers.Serializer):
    why = serializers.CharField(max_length=1000)


class SnoozeSerializer(WhySerializer):
    """Until an instant, until what blocks it is gone, or whichever comes first."""

    until = serializers.DateTimeField(required=False, allow_null=True, default=None, validators=[tellable])
    until_blocker = serializers.BooleanField(required=False, default=False)


class ReplaySerializer(serializers.Serializer):
    """The replay that was sent; what became of it is on the case."""

    replay = serializers.UUIDField()
    case = CaseSerializer()


class CaseFilters(filters.FilterSet):
    state = filters.CharFilter()
    reason = filters.CharFilter()
    owner_team = filters.CharFilter("owner_team_id")
    entity = filters.CharFilter()
    period = filters.CharFilter()
    currency = filters.CharFilter()
    business_key = filters.CharFilter()
    event_id = filters.UUIDFilter()
    opened_from, opened_before = instants("opened_at")


class Cases(Records):
    """What failed, newest first. People act with their own rights; a key acts for the person who made it."""

    model = Case
    one = "One case: cause, what is in the way, findings, proof, history."
    serializer_class = CaseDetailSerializer
    list_serializer = CaseSerializer
    filterset_class = CaseFilters
    also = frozenset({"q", "tab"})
    rights = {
        "redate": "ledger.redate_journalentry",
        "claim": rights.WORK,
        "comment": rights.WORK,
        "snooze": rights.WORK,
        "wake": rights.WORK,
        "replay": rights.REPLAY,
        "after_all": after_all.RIGHT,
    }

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = queryset.select_related("assignee").defer("haystack")
        if self.action == "list":
            return queryset.annotate(worth=WORTH).defer("context", "proof")
        return queryset.select_related("raw").prefetch_related("events")

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        if self.action != "list":
            return queryset
        text, tab = self.request.query_params.get("q", ""), self.request.query_params.get("tab", "")
        if not text and not tab:
            return queryset
        try:
            return self._searched(queryset, text, tab)
        except (TypeError, AttributeError):
            # is:mine and the like ask for a person, and this key was made by none.
            raise Problem(400, "needs_a_person", "This key belongs to no person, so nothing is mine") from None

    def _searched(self, queryset: QuerySet[Any], text: str, tab: str) -> QuerySet[Any]:
        user = self.request.user
        person = (_maker(user) or user) if isinstance(user, KeyHolder) else user
        if tab:
            chosen = tabs.TABS.get(tab)
            if chosen is None:
                raise Problem(400, "query", f"There is no tab {tab}", remedy=f"There are {', '.join(tabs.TABS)}")
            queryset = queryset.filter(chosen.chosen(person))
        return queryset.filter(search.parse(text, person))

    @extend_schema(parameters=_QUERY)
    def list(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Newest first; `q` and `tab` as in the queue, with its query language."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=None, responses=CaseSerializer)
    @action(detail=True, methods=["post"])
    def claim(self, request: Any, pk: str) -> Response:
        """Take it, and begin."""
        case = self.get_object()
        _done(casework.claim(person_of(request.user, rights.WORK), [case.id]))
        return self._answer(case)

    @extend_schema(request=CommentSerializer, responses=CaseSerializer)
    @action(detail=True, methods=["post"])
    def comment(self, request: Any, pk: str) -> Response:
        """Write on it, whatever its state."""
        case, given = self.get_object(), CommentSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        _done(casework.comment(person_of(request.user, rights.WORK), [case.id], given.validated_data["text"]))
        return self._answer(case)

    @extend_schema(request=SnoozeSerializer, responses=CaseSerializer)
    @action(detail=True, methods=["post"])
    def snooze(self, request: Any, pk: str) -> Response:
        """Out of the queue for a while; its service level stands still meanwhile."""
        case, given = self.get_object(), SnoozeSerializer(data=request.data or {})
        given.is_valid(raise_exception=True)
        _done(casework.snooze(person_of(request.user, rights.WORK), [case.id], **given.validated_data))
        return self._answer(case)

    @extend_schema(request=None, responses=CaseSerializer)
    @action(detail=True, methods=["post"])
    def wake(self, request: Any, pk: str) -> Response:
        """Back into the queue, before its time."""
        case = self.get_object()
        _done(casework.wake(person_of(request.user, rights.WORK), [case.id]))
        return self._answer(case)

    @extend_schema(request=WhySerializer, responses={202: ReplaySerializer})
    @action(detail=True, methods=["post"])
    def replay(self, request: Any, pk: str) -> Response:
        """Put its step back to work on today's master data."""
        case, given = self.get_object(), WhySerializer(data=request.data or {})
        given.is_valid(raise_exception=True)
        batch = desk.replay_one(person_of(request.user, rights.REPLAY), case.id, why=given.validated_data["why"])
        return Response({"replay": str(batch.id), "case": self._shown(case)}, status=202)

    @extend_schema(request=RedateSerializer, responses={202: CaseSerializer})
    @action(detail=True, methods=["post"])
    def redate(self, request: Any, pk: str) -> Response:
        """Ask that what is late for a closed period be booked in the first open one; a second person decides."""
        case, given = self.get_object(), RedateSerializer(data=request.data or {})
        given.is_valid(raise_exception=True)
        person = person_of(request.user, "ledger.redate_journalentry")
        decisions.ask_to_redate(person, case.id, given.validated_data["effective_on"], given.validated_data["why"])
        return Response(self._shown(case), status=202)

    @extend_schema(request=AfterAllSerializer, responses={202: CaseSerializer})
    @action(detail=True, methods=["post"])
    def after_all(self, request: Any, pk: str) -> Response:
        """Ask that what was given up with this case be booked or posted after all; a second person decides."""
        case, given = self.get_object(), AfterAllSerializer(data=request.data or {})
        given.is_valid(raise_exception=True)
        after_all.ask(person_of(request.user, after_all.RIGHT), case.id, given.validated_data["why"])
        return Response(self._shown(case), status=202)

    def _answer(self, case: Case) -> Response:
        return Response(self._shown(case))

    def _shown(self, case: Case) -> Any:
        fresh = Case.objects.visible_to(self.request.user).select_related("assignee").get(id=case.id)
        return CaseSerializer(fresh).data


def _maker(holder: KeyHolder) -> Any:
    """Who made the key, fresh: a key is known for a second, its maker's rights are not."""
    made_by = holder.key.created_by_id
    return get_user_model().objects.filter(pk=made_by).first() if made_by is not None else None


def person_of(user: Any, *needed: str) -> Any:
    """Who acts: the person, or the one who made the key; both need the rights, and verbs find none but these."""
    if not isinstance(user, KeyHolder):
        return user
    person = _maker(user)
    if person is None or not person.is_active:
        raise Problem(
            403, "needs_a_person", "This key was made by nobody who works here, and cases are worked by people",
            remedy="Use a key that a person has made in the admin",
        )  # fmt: skip
    for right in needed:
        if not user.has_perm(right):
            raise lacking(right)
        if not person.has_perm(right):
            raise Problem(403, "forbidden", f"{person.get_username()}, who made this key, lacks {right}", right=right)
    return _held_to(user, person)


def _held_to(holder: KeyHolder, person: Any) -> Any:
    """The person, read for this request alone, with no right that the key lacks and nothing seen that it does not."""
    has_perm = person.has_perm
    person.has_perm = lambda right, of=None: holder.has_perm(right) and has_perm(right, of)
    person.reads_only = holder.reads_only
    return person


def _done(result: Done) -> None:
    for why in result.left.values():
        raise Problem(409, "not_possible", why)
