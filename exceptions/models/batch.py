"""Many cases replayed together: chosen once, then never changed."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django_fsm import ConcurrentTransitionMixin, transition

from exceptions.models.case import Case
from exceptions.visible import OfCase
from q2c.states import StateField, StateRecord

OUTCOMES = ("queued", "sent", "unknown", "confirmed", "failed_again", "skipped")
# On their way: an answer is still to come.
UNDERWAY = ("sent", "unknown")


class ReplayBatch(ConcurrentTransitionMixin, StateRecord):
    """`size` and `totals` (minor units by currency) are of what can be sent, counted when the choice was frozen;
    `credits` is what of the totals is below zero; but `differences` what of them is no charge and no credit: what is
    more and what is less than is booked, as [more, less] by currency.

    `canary` items go first, and the rest only when so many are confirmed: the next takes the place of one that is
    skipped. `stop_after` failures of one cause,
    counted per problem, stop it; 0 never does.
    """

    why_column = "why"

    number = models.BigIntegerField(
        unique=True, db_default=models.Func(models.Value("exceptions_batch_number"), function="nextval")
    )
    state = StateField(default="dry_run")
    title = models.CharField(max_length=300)
    why = models.TextField(blank=True)
    size = models.PositiveIntegerField(default=0)
    totals = models.JSONField(default=dict, blank=True)
    credits = models.JSONField(default=dict, blank=True)
    differences = models.JSONField(default=dict, blank=True)
    canary = models.PositiveIntegerField(default=0)
    stop_after = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    # Who wanted what was planned; what its replays move is theirs.
    sent_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    queued_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_because = models.TextField(blank=True)

    objects = OfCase.as_manager()

    class Meta:
        default_permissions = ()
        verbose_name, verbose_name_plural = "replay", "replays"
        indexes = [
            models.Index(
                fields=["state", "queued_at"], condition=Q(state__in=("queued", "running")), name="batch_to_work"
            ),
            models.Index(fields=["-created_at", "-id"], name="batch_newest"),
        ]

    def __str__(self) -> str:
        return f"R-{self.number} {self.title}"

    @transition("state", source="dry_run", target="queued")
    def queue(self) -> None:
        """A person has seen what will happen, and wants it."""

    @transition("state", source="queued", target="running")
    def start(self) -> None:
        """The first items go out."""

    @transition("state", source="running", target="finished")
    def finish(self) -> None:
        """Each item has come to something."""

    @transition("state", source=["dry_run", "queued", "running"], target="cancelled")
    def cancel(self) -> None:
        """Nothing more goes out; what is out comes to its end."""

    @transition("state", source="running", target="stopped")
    def stop(self) -> None:
        """Too many failed for one cause, or the canary did."""


class ReplayItem(models.Model):
    """One case of a batch. Which cases there are is frozen by the database; only what became of them is written."""

    batch = models.ForeignKey(ReplayBatch, on_delete=models.PROTECT, related_name="items")
    ordinal = models.PositiveIntegerField()
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="replays")
    step_id = models.UUIDField(null=True)
    outcome = models.CharField(max_length=12, default="queued", choices=[(o, o) for o in OUTCOMES])
    amount_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    document = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=40, blank=True)
    problem_id = models.UUIDField(null=True, help_text="The cause for which it failed again")
    text = models.TextField(blank=True)
    preview = models.JSONField(null=True, help_text="What the dry run found: lines, period, checks")
    at = models.DateTimeField()

    objects = OfCase.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["batch", "ordinal"], name="replay_item_ordinal"),
            models.UniqueConstraint(fields=["batch", "case"], name="replay_item_once"),
        ]
        indexes = [
            models.Index(fields=["batch", "ordinal"], condition=Q(outcome="queued"), name="replay_item_to_send"),
            models.Index(fields=["step_id"], condition=Q(outcome__in=UNDERWAY), name="replay_item_underway"),
            models.Index(fields=["batch", "outcome"], name="replay_item_outcome"),
        ]
