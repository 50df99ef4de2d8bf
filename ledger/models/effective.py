"""Master data that holds from one day to another."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.db import models

BEGINNING = dt.date(2000, 1, 1)


class Effective(models.Model):
    """In force from `effective_from` until before `effective_to` (None: no end; equal days: never)."""

    effective_from = models.DateField(default=BEGINNING)
    effective_to = models.DateField(null=True, blank=True, help_text="The first day that no longer counts")

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        # Where it does not begin, that is what is told.
        if self.effective_from and self.effective_to is not None and self.effective_to < self.effective_from:
            raise ValidationError({"effective_to": "The end lies before the beginning"})

    def in_effect(self, day: dt.date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)


def ends_after_start(name: str) -> models.CheckConstraint:
    """The database's own word for `clean()`."""
    ordered = models.Q(effective_to__isnull=True) | models.Q(effective_to__gte=models.F("effective_from"))
    return models.CheckConstraint(condition=ordered, name=name)


def overlaps(effective_from: dt.date, effective_to: dt.date | None) -> models.Q:
    """Rows in force on at least one day of the span."""
    found = (models.Q(effective_to__isnull=True) | models.Q(effective_to__gt=effective_from)) & ~models.Q(
        effective_to=models.F("effective_from")
    )
    return found if effective_to is None else found & models.Q(effective_from__lt=effective_to)
