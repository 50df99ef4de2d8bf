"""An account of the chart."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from simple_history.models import HistoricalRecords

from ledger.models.effective import Effective, ends_after_start, overlaps
from ledger.models.entity import LegalEntity
from q2c.visible import VisibleQuerySet


class Account(Effective):
    """`role` is what posting rules name (`deferred_revenue:subscription`); `code` is what people and ERPs name.

    An account with an entity is that entity's own; without one it belongs to the chart that all share. Of two
    accounts with one role the entity's own wins. `monetary` accounts are revalued at month end.
    """

    TYPES = [(t, t) for t in ("asset", "liability", "equity", "revenue", "expense")]

    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, null=True, blank=True, related_name="accounts")
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=120)
    type = models.CharField(max_length=12, choices=TYPES)
    role = models.CharField(max_length=80, blank=True)
    monetary = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    history = HistoricalRecords(inherit=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["entity", "code"], nulls_distinct=False, name="one_account_per_code"),
            ends_after_start("account_dates"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    def clean(self) -> None:
        super().clean()
        rivals = Account.objects.filter(
            overlaps(self.effective_from, self.effective_to), entity=self.entity_id, role=self.role
        )
        rival = rivals.exclude(pk=self.pk).first() if self.role else None
        if rival:
            raise ValidationError({"role": f"{rival} has the role {self.role} on some of these days already"})
