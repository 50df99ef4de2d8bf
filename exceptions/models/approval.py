"""What one person asks and another decides."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django_fsm import ConcurrentTransitionMixin, transition

from exceptions.models.case import Case
from exceptions.visible import OfCase
from q2c.states import StateField, StateRecord, Stays


class Approval(ConcurrentTransitionMixin, StateRecord):
    """`action` on (`subject_type`, `subject_id`): close_without_fix of a case, or a Reason that waits for approval.

    `requested_by` is empty where the flow itself asks. Nobody decides what they asked, nor whom its `data` names in
    `not_by`: the database holds it (q2c/guards.py). What was asked and decided stays.
    """

    why_column = "reason"
    stays = (
        Stays(
            "what is asked for is decided as it was asked",
            but=("state", "decided_by_id", "decided_at", "decision", "shown"),
        ),
        Stays("a decision is taken once; ask anew", until=("requested",), but=("state",)),
    )

    state = StateField(default="requested")
    subject_type = models.CharField(max_length=20)
    subject_id = models.CharField(max_length=80)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, null=True, related_name="approvals")
    action = models.CharField(max_length=40)
    reason = models.TextField()
    amount_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    data = models.JSONField(default=dict, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decision = models.TextField(blank=True)
    # What whoever decided was shown of the matter, where that is gone afterwards.
    shown = models.TextField(blank=True, default="", db_default="")

    # Where a row came from, for a key that reads its own alone (see visible.py).
    came_from = ("case__source",)
    objects = OfCase.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | Q(requested_by__isnull=True) | ~Q(decided_by=F("requested_by")),
                name="approval_by_another_person",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=("approved", "refused"))
                | (Q(decided_by__isnull=False) & Q(decided_at__isnull=False)),
                name="approval_decided_by_someone",
            ),
            models.UniqueConstraint(
                fields=["subject_type", "subject_id", "action"],
                condition=Q(state="requested"),
                name="approval_asked_once",
            ),
        ]
        indexes = [
            models.Index(fields=["requested_at", "id"], condition=Q(state="requested"), name="approval_to_decide"),
            models.Index(fields=["case", "state"], name="approval_of_case"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject_type} {self.subject_id}"

    @transition("state", source="requested", target="approved")
    def approve(self) -> None:
        """The second person agrees."""

    @transition("state", source="requested", target="refused")
    def refuse(self) -> None:
        """The second person does not."""

    @transition("state", source="requested", target="withdrawn")
    def withdraw(self) -> None:
        """No longer asked for."""
