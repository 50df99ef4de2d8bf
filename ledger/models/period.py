"""A month of one subledger of one entity, open or closed."""

from __future__ import annotations

from django.db import models
from django_fsm import ConcurrentTransitionMixin, transition
from simple_history.models import HistoricalRecords

from ledger.models.entity import LegalEntity
from ledger.models.visible import VisibleQuerySet
from q2c.states import StateField, StateRecord

SUBLEDGERS = ("receivables", "revenue", "general")


class FiscalPeriod(ConcurrentTransitionMixin, StateRecord):
    """From `starts_on` until before `ends_on`. Periods of one entity and subledger never overlap.

    open: everything is booked. soft_closed: only corrections (mirror entries) are. closed: nothing is.
    """

    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="periods")
    subledger = models.CharField(max_length=12, choices=[(s, s) for s in SUBLEDGERS])
    name = models.CharField(max_length=10)
    fiscal_year = models.PositiveSmallIntegerField()
    starts_on = models.DateField()
    ends_on = models.DateField(help_text="The first day that no longer counts")
    state = StateField(default="open")
    history = HistoricalRecords(inherit=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["entity", "starts_on", "subledger"]
        constraints = [
            models.UniqueConstraint(fields=["entity", "subledger", "name"], name="one_period_per_name"),
            models.CheckConstraint(condition=models.Q(ends_on__gt=models.F("starts_on")), name="period_has_days"),
            models.CheckConstraint(condition=models.Q(subledger__in=SUBLEDGERS), name="period_subledger"),
        ]
        permissions = [("close_period", "Can close periods"), ("reopen_period", "Can reopen periods")]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """What findings and blockers name it by: US01:general:2026-10."""
        return f"{self.entity.code}:{self.subledger}:{self.name}"

    @transition("state", source="open", target="soft_closed")
    def soft_close(self) -> None:
        """The flow books no more; corrections still may."""

    @transition("state", source="soft_closed", target="closed")
    def close(self) -> None:
        """Nothing is booked any more."""

    @transition("state", source=["soft_closed", "closed"], target="open")
    def reopen(self) -> None:
        """Somebody approved that more is booked."""
