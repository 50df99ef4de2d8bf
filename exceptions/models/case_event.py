"""The timeline of a case: everything that happened to it, and what was refused."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from exceptions.models.case import Case
from exceptions.visible import OfCase

KINDS = (
    "opened", "failed_again", "reopened", "cause_changed", "assigned", "claimed", "released", "commented", "snoozed",
    "woken", "rerouted", "replay_requested", "replay_sent", "replay_confirmed", "replay_failed", "outcome_unknown",
    "approval_requested", "approved", "approval_refused", "approval_withdrawn", "closed_without_fix", "resolved",
    "refused", "offered", "taken_back", "restated", "asked_again", "read_again", "after_all", "readable_again",
)  # fmt: skip


class CaseEvent(models.Model):
    """One thing that happened. Append-only; `data` holds what a page shows beside the text."""

    append_only = True

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=24, choices=[(k, k) for k in KINDS])
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    text = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True)

    objects = OfCase.as_manager()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["case", "id"], name="case_event_of_case")]


class Comment(models.Model):
    """What a person wrote on a case. Stays, whatever becomes of the case."""

    append_only = True

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    text = models.TextField()

    objects = OfCase.as_manager()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["case", "id"], name="comment_of_case")]
