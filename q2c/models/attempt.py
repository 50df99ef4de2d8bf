"""Every call to a platform: what was sent, what came back, redacted."""

from __future__ import annotations

import uuid

from django.db import models

from q2c.visible import VisibleQuerySet


class Attempt(models.Model):
    """Append-only. `step` is empty for polls and probes."""

    append_only = True

    step_id: uuid.UUID | None
    step = models.ForeignKey("q2c.Step", on_delete=models.PROTECT, null=True, related_name="attempt_rows")
    correlation_id = models.UUIDField()
    connection = models.CharField(max_length=60)
    at = models.DateTimeField()
    method = models.CharField(max_length=8)
    url = models.TextField()
    request_headers = models.JSONField(default=dict)
    request_body = models.TextField(blank=True)
    status = models.PositiveSmallIntegerField(null=True)
    response_headers = models.JSONField(default=dict)
    response_body = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField()
    error = models.TextField(blank=True)

    # Where a row came from, for a key that reads its own alone (see visible.py).
    came_from = ("step__event__source",)
    objects = VisibleQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["step", "id"], name="attempt_of_step"),
            # The last answer of each platform.
            models.Index(fields=["connection", "-id"], name="attempt_newest"),
        ]
