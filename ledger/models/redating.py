"""The decision to book a late fact in another period than that of its own day."""

from __future__ import annotations

from django.db import models

from ledger.models.entity import LegalEntity


class Redating(models.Model):
    """One decision, for ever: of several for one fact the latest counts. `source_on` is the document's own day.

    Written by ledger.redating.decide alone. `asked_by` and `approved_by` are user names, of two people.
    """

    append_only = True

    event_id = models.UUIDField()
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="redatings")
    rule_set = models.CharField(max_length=20, default="primary")
    source_on = models.DateField()
    effective_on = models.DateField()
    reason = models.TextField()
    asked_by = models.CharField(max_length=150)
    approved_by = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["event_id"], name="redating_event")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(effective_on__gt=models.F("source_on")), name="redating_later_than_source"
            ),
            models.CheckConstraint(
                condition=~models.Q(asked_by=models.F("approved_by")), name="redating_by_two_people"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id}: {self.source_on} booked on {self.effective_on}"
