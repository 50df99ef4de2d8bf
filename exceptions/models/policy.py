"""What is done about a reason: the editable copy of the table in exceptions/policies.py."""

from __future__ import annotations

from django.db import models
from simple_history.models import HistoricalRecords

from exceptions.models.team import Team

SEVERITIES = ("urgent", "high", "normal", "low")


class Policy(models.Model):
    """One row per Reason. `sentence` and `title` may name fields of a failure in braces: {entity} {business_key}.

    `service_level_h` counts business hours of the owner. The retry budget serves transient reasons: at most
    `retry_attempts` failures in a row, the first pause `retry_first_s`, no pause longer than `retry_max_s`.
    """

    reason = models.CharField(max_length=40, primary_key=True)
    title = models.CharField(max_length=120)
    sentence = models.TextField()
    owner_team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="policies")
    severity = models.CharField(max_length=8, choices=[(s, s) for s in SEVERITIES])
    service_level_h = models.PositiveSmallIntegerField()
    retry_attempts = models.PositiveSmallIntegerField(default=0)
    retry_first_s = models.PositiveIntegerField(default=0)
    retry_max_s = models.PositiveIntegerField(default=0)
    look = models.TextField(help_text="What to look at")
    fix = models.TextField(help_text="What to put right, and where")
    replay = models.TextField(help_text="What happens on replay")
    fix_kind = models.CharField(
        max_length=40, help_text="What is put right; with order the fix button opens the order, else what is in the way"
    )
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "policies"
        ordering = ["reason"]
        constraints = [
            models.CheckConstraint(condition=models.Q(service_level_h__gt=0), name="policy_has_service_level"),
            models.CheckConstraint(
                condition=models.Q(retry_max_s__gte=models.F("retry_first_s")), name="policy_retry_grows"
            ),
        ]

    def __str__(self) -> str:
        return self.title
