"""A failure that a person owns, with its cause, its money and its way to being put right."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Concat, Lower
from django_fsm import ConcurrentTransitionMixin, transition

from exceptions.models.policy import SEVERITIES
from exceptions.models.problem import Problem
from exceptions.models.team import Team
from exceptions.visible import OfCase
from q2c.states import StateField, StateRecord
from q2c.visible import VisibleQuerySet

# Needs a person, now.
TO_DO = ("open", "in_progress", "reopened")
ENDED = ("resolved", "closed_without_fix")
# Somebody has to act: these can be late.
TIMED = (*TO_DO, "awaiting_approval")
UNRESOLVED = (*TO_DO, "awaiting_approval", "replaying", "snoozed")
# From where a person may send it again.
REPLAYABLE = (*TO_DO, "snoozed", "awaiting_approval")
RESOLUTIONS = ("fixed_by_replay", "resolved_by_itself", "closed_without_fix", "superseded")
ROOT_CAUSES = (
    "master_data", "order_entry", "platform_setup", "platform_fault", "period_close", "interface_error",
    "changed_in_billing", "duplicate", "test_data", "other",
)  # fmt: skip

# What its source calls what came in unreadable, in all of its versions.
CALLED = Coalesce(KT("context__reference"), F("business_key"), output_field=models.TextField())


def called(names: Collection[str]) -> Q:
    """What came in unreadable that its source calls so, by an index each."""
    found = Q(business_key__in=names)
    for name in names:
        found |= Q(context__contains={"reference": name})
    return found & Q(step_id=None, raw_hash__isnull=False)


def held_up_by(blocker: Sequence[Any]) -> Q:
    """What waits for (connection, object type, object key, condition), or for such columns, and could be replayed."""
    connection, kind, key, condition = blocker
    return Q(
        blocker_type=kind,
        blocker_key=key,
        blocker_connection=connection,
        blocker_condition=condition,
        state__in=REPLAYABLE,
    )


def credits_of(worth: Iterable[Sequence[Any]] | None) -> list[tuple[int, str]]:
    """What a finding says that would be credited, as (minor units, currency), below zero."""
    return [(-minor, currency) for minor, currency in worth or ()]


# As `worth` of a row whose context is not fetched.
WORTH = F("context__findings__0__worth")


def amounts_of(case: Any) -> list[tuple[int, str]]:
    """(minor units, currency) of what a case is about: one, none, or one each of several currencies."""
    if case.amount_minor is not None:
        return [(case.amount_minor, case.currency)]
    if hasattr(case, "worth"):
        return credits_of(case.worth)
    return credits_of(next((found.get("worth") for found in case.context.get("findings") or ()), None))


def _haystack() -> Any:
    parts: list[Any] = []
    for column in ("business_key", "customer", "customer_key", "document", "code", "blocker_key"):
        parts += [F(column), Value(" ")]
    return Lower(Concat(*parts, output_field=models.TextField()))


class Case(ConcurrentTransitionMixin, StateRecord):
    """One case per step, for ever: it is reopened, never opened a second time.

    What came in unreadable has no step; its bytes lie in RawBody. Amounts are minor units of `currency`.
    The service level runs from `level_from` for `level_h` business hours of the owner team, and stands still while
    snoozed: `due_at` is when it ends, `paused_s` what pauses have added. `proof` holds what was searched, found
    and posted, and when.
    """

    why_column = "text"

    number = models.BigIntegerField(
        unique=True, db_default=models.Func(models.Value("exceptions_case_number"), function="nextval")
    )
    state = StateField(default="open")
    problem = models.ForeignKey(Problem, on_delete=models.PROTECT, related_name="cases")
    step_id = models.UUIDField(null=True, unique=True)
    event_id = models.UUIDField(null=True)
    stage = models.CharField(max_length=40, blank=True)
    part = models.CharField(max_length=80, blank=True)
    # What went wrong
    reason = models.CharField(max_length=40)
    text = models.TextField()
    code = models.CharField(max_length=120, blank=True)
    field = models.CharField(max_length=200, blank=True)
    severity = models.CharField(max_length=8, choices=[(s, s) for s in SEVERITIES])
    connection = models.CharField(max_length=60, blank=True)
    blocker_connection = models.CharField(max_length=60, blank=True)
    blocker_type = models.CharField(max_length=60, blank=True)
    blocker_key = models.CharField(max_length=200, blank=True)
    blocker_condition = models.CharField(max_length=60, blank=True)
    # Since when this is known to stand in the way of this case no longer; empty again once it fails anew.
    blocker_gone_at = models.DateTimeField(null=True)
    # What its dry run found in its way then (exceptions/next_cause.py); empty where it would pass, or none was made.
    next_cause = models.JSONField(null=True)
    # Who
    owner_team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="cases")
    owner_by_hand = models.BooleanField(default=False)
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="cases")
    # What it is about
    amount_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    entity = models.CharField(max_length=20, blank=True)
    period = models.CharField(max_length=20, blank=True)
    business_key = models.CharField(max_length=80, blank=True)
    customer = models.CharField(max_length=200, blank=True)
    customer_key = models.CharField(max_length=64, blank=True)
    source = models.CharField(max_length=60, blank=True)
    target = models.CharField(max_length=60, blank=True)
    context = models.JSONField(default=dict, blank=True)
    # When
    opened_at = models.DateTimeField()
    last_failed_at = models.DateTimeField()
    level_from = models.DateTimeField()
    level_h = models.PositiveSmallIntegerField()
    paused_s = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField()
    snoozed_at = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    snooze_until_blocker = models.BooleanField(default=False)
    attempts = models.PositiveIntegerField(default=1)
    # How it ended
    resolved_at = models.DateTimeField(null=True)
    resolution = models.CharField(max_length=20, blank=True, choices=[(r, r) for r in RESOLUTIONS])
    root_cause = models.CharField(max_length=20, blank=True, choices=[(r, r) for r in ROOT_CAUSES])
    document = models.CharField(max_length=200, blank=True)
    proof = models.JSONField(default=dict, blank=True)
    raw_hash = models.BinaryField(null=True, max_length=32, editable=False)
    # What a word without a key is looked for in.
    haystack = models.GeneratedField(expression=_haystack(), output_field=models.TextField(), db_persist=True)

    # Where a row came from, for a key that reads its own alone (see visible.py).
    came_from = ("source",)
    objects = VisibleQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = [
            ("work_case", "Can assign, claim, comment and snooze cases"),
            ("replay_case", "Can replay a case"),
            ("bulk_replay", "Can replay many cases at once"),
            ("close_case", "Can ask to close a case without a fix"),
            ("approve_case", "Can decide what another person asked for"),
        ]
        constraints = [
            # What is worth something says in which currency.
            models.CheckConstraint(
                condition=Q(amount_minor__isnull=True) | ~Q(currency=""), name="case_amount_has_currency"
            ),
            models.CheckConstraint(
                condition=~Q(state="snoozed") | Q(snoozed_at__isnull=False), name="case_snoozed_when"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=ENDED) | (Q(resolved_at__isnull=False) & ~Q(resolution="")),
                name="case_ended_how",
            ),
            # The same unreadable bytes from the same source are one unresolved case, however often they are sent.
            models.UniqueConstraint(
                fields=["source", "raw_hash"],
                condition=Q(raw_hash__isnull=False, state__in=UNRESOLVED),
                name="case_raw_once",
            ),
        ]
        indexes = [
            # One per tab of the queue, in the order in which the tab is read.
            models.Index(fields=["due_at", "id"], condition=Q(state__in=TO_DO), name="case_tab_open"),
            models.Index(fields=["owner_team", "due_at", "id"], condition=Q(state__in=TO_DO), name="case_tab_team"),
            models.Index(fields=["assignee", "due_at", "id"], condition=Q(state__in=UNRESOLVED), name="case_tab_mine"),
            models.Index(fields=["due_at", "id"], condition=Q(state="snoozed"), name="case_tab_snoozed"),
            models.Index(fields=["due_at", "id"], condition=Q(state="replaying"), name="case_tab_replaying"),
            models.Index(fields=["due_at", "id"], condition=Q(state="awaiting_approval"), name="case_tab_approval"),
            models.Index(fields=["-resolved_at", "-id"], condition=Q(state__in=ENDED), name="case_tab_resolved"),
            # The common filters on what is unresolved.
            models.Index(fields=["problem", "due_at", "id"], condition=Q(state__in=UNRESOLVED), name="case_of_problem"),
            models.Index(fields=["reason", "due_at", "id"], condition=Q(state__in=UNRESOLVED), name="case_by_reason"),
            models.Index(
                fields=["entity", "period", "due_at", "id"], condition=Q(state__in=UNRESOLVED), name="case_by_entity"
            ),
            models.Index(
                fields=["blocker_type", "blocker_key", "blocker_connection"],
                condition=Q(state__in=UNRESOLVED) & ~Q(blocker_type=""),
                name="case_by_blocker",
            ),
            models.Index(
                fields=["blocker_type", "blocker_key"],
                condition=Q(state__in=UNRESOLVED, blocker_gone_at__isnull=False),
                name="case_freed",
            ),
            models.Index(fields=["snoozed_until"], condition=Q(state="snoozed"), name="case_to_wake"),
            # Credits are few, and stand apart from charges in every sum.
            models.Index(
                fields=["problem"], condition=Q(state__in=UNRESOLVED, amount_minor__lt=0), name="case_credits"
            ),
            # Looking things up.
            models.Index(fields=["event_id"], name="case_of_event"),
            models.Index(fields=["business_key"], opclasses=["text_pattern_ops"], name="case_business_key"),
            GinIndex(fields=["haystack"], opclasses=["gin_trgm_ops"], name="case_haystack"),
            # What came in unreadable has no step that leads to it: it is found by what its source calls it, and by the
            # journey it belongs to.
            GinIndex(
                fields=["context"],
                opclasses=["jsonb_path_ops"],
                condition=Q(raw_hash__isnull=False),
                name="case_raw_called",
            ),
            models.Index(fields=["correlation_id"], condition=Q(raw_hash__isnull=False), name="case_raw_of_journey"),
        ]

    def __str__(self) -> str:
        return self.shown

    @property
    def shown(self) -> str:
        """The number people say: C-1042."""
        return f"C-{self.number}"

    @property
    def told_by(self) -> str:
        """Of what came in unreadable: the source that it named, which may be one of several of its system."""
        return str(self.context.get("source") or self.source)

    @property
    def called(self) -> str:
        """Of what came in unreadable: what that source calls it, in all of its versions."""
        return str(self.context.get("reference") or self.business_key)

    @property
    def lacking(self) -> list[str]:
        """Of a missing dimension the product whose line gives none, if known; item mappings give all but the region."""
        (first, *_) = self.context.get("findings") or [{}]
        given = self.field.rpartition("/")[2] != "region"
        return [str(first["seen"])] if given and first.get("seen") else []

    @property
    def blocker(self) -> tuple[str, str, str, str] | None:
        """(connection, object type, object key, condition), or nothing stands in the way that has a name."""
        if not self.blocker_type:
            return None
        return (self.blocker_connection, self.blocker_type, self.blocker_key, self.blocker_condition)

    @property
    def blocker_is_watched(self) -> bool:
        """Whether somebody sees it go: of a permission that is missing only a replay tells."""
        return bool(self.blocker_type) and self.blocker_condition != "permission_missing"

    @transition("state", source=["open", "reopened"], target="in_progress")
    def start(self) -> None:
        """A person works on it."""

    @transition("state", source="in_progress", target="open")
    def release(self) -> None:
        """Nobody works on it any more."""

    @transition("state", source=list(TO_DO), target="snoozed")
    def snooze(self) -> None:
        """Out of sight until a time, or until its blocker goes away; the service level stands still."""

    @transition("state", source="snoozed", target="open")
    def wake(self) -> None:
        """Back in the queue."""

    @transition("state", source=[*TO_DO, "snoozed"], target="awaiting_approval")
    def ask_approval(self) -> None:
        """Waits for a second person."""

    @transition("state", source="awaiting_approval", target="open")
    def send_back(self) -> None:
        """The second person said no, or the request was withdrawn."""

    @transition("state", source="awaiting_approval", target="closed_without_fix")
    def close_without_fix(self) -> None:
        """The second person agreed that nothing will be done."""

    @transition("state", source=list(REPLAYABLE), target="replaying")
    def start_replay(self) -> None:
        """Its step was put back to work."""

    @transition("state", source="replaying", target="open")
    def fail_again(self) -> None:
        """The replay failed, for the same cause or another."""

    @transition("state", source=list(UNRESOLVED), target="resolved")
    def resolve(self) -> None:
        """Its step is done, or was superseded."""

    @transition("state", source=list(ENDED), target="reopened")
    def reopen(self) -> None:
        """The same cause struck the same step again; or what was given up is wanted after all."""

    @transition("state", source=list(ENDED), target="open")
    def open_anew(self) -> None:
        """Another cause struck the same step."""


class RawBody(models.Model):
    """What came in and could not be read, byte for byte."""

    append_only = True

    case = models.OneToOneField(Case, on_delete=models.PROTECT, primary_key=True, related_name="raw")
    body = models.BinaryField()
    content_type = models.CharField(max_length=120, blank=True)

    objects = OfCase.as_manager()

    class Meta:
        default_permissions = ()
