"""A month of one subledger of one entity, open or closed."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django_fsm import ConcurrentTransitionMixin, transition
from simple_history.models import HistoricalRecords

from ledger.models.entity import LegalEntity
from q2c.states import StateField, StateRecord
from q2c.visible import VisibleQuerySet

SUBLEDGERS = ("receivables", "revenue", "general")
NAMED = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", "Letters, digits, dots, dashes and underscores, such as 2026-10 or FY26-P10"
)


class FiscalPeriod(ConcurrentTransitionMixin, StateRecord):
    """From `starts_on` until before `ends_on`. Periods of one entity and subledger never overlap.

    A period that is not open keeps its name and days (the database holds it to that), and can be opened by two people
    alone: a second period of its month would be open by one.

    open: everything is booked. soft_closed: only corrections (mirror entries) are. closed: nothing is.
    """

    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="periods")
    subledger = models.CharField(max_length=12, choices=[(s, s) for s in SUBLEDGERS])
    # It stands in addresses and in the query bar.
    name = models.CharField(max_length=10, validators=[NAMED])
    fiscal_year = models.PositiveSmallIntegerField()
    starts_on = models.DateField()
    ends_on = models.DateField(help_text="The first day that no longer counts")
    state = StateField(default="open")
    # What was not done in it when it was closed, as whoever closed it was told; empty while it is open.
    left_open = models.TextField(blank=True, default="", db_default="", editable=False)
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

    def clean(self) -> None:
        """Two periods of one name, or on one day, are named to whoever adds the second."""
        super().clean()
        if self.entity_id is None or not self.subledger:
            return
        beside = FiscalPeriod.objects.filter(entity=self.entity_id, subledger=self.subledger).exclude(pk=self.pk)
        beside = beside.select_related("entity")
        wrong: dict[str, str] = {}
        if same := beside.filter(name=self.name).first():
            wrong["name"] = f"There is {same.told} already. {same.remedy}"
        if self.starts_on and self.ends_on:
            days = beside.filter(starts_on__lt=self.ends_on, ends_on__gt=self.starts_on)
            if other := days.order_by("starts_on").first():
                wrong["starts_on"] = f"{other.told} holds on some of these days. {other.remedy}"
        if wrong:
            raise ValidationError(wrong)

    @property
    def told(self) -> str:
        """US01:general:2026-10 (2026-10-01 to 2026-10-31, closed)"""
        last = self.ends_on - dt.timedelta(days=1)
        return f"{self.key} ({self.starts_on} to {last}, {self.state.replace('_', ' ')})"

    @property
    def remedy(self) -> str:
        if self.state == "open":
            return "Change that one, or choose what it does not hold"
        return "Ask to reopen that one: a second person approves it"

    @transition("state", source="open", target="soft_closed")
    def soft_close(self) -> None:
        """The flow books no more; corrections still may."""

    @transition("state", source="soft_closed", target="closed")
    def close(self) -> None:
        """Nothing is booked any more."""

    @transition("state", source=["soft_closed", "closed"], target="open")
    def reopen(self) -> None:
        """Somebody approved that more is booked."""
