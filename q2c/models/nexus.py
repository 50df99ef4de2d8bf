"""Where a legal entity must charge tax."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.db import models
from simple_history.models import HistoricalRecords

from q2c.models.effective import ends_before_it_begins
from q2c.visible import VisibleQuerySet


class TaxNexus(models.Model):
    """Entity × jurisdiction, effective-dated; an empty region covers the whole country."""

    entity = models.CharField(max_length=20)
    country = models.CharField(max_length=2)
    region = models.CharField(max_length=40, blank=True)
    registration = models.CharField(max_length=40, blank=True)
    effective_from = models.DateField()
    effective_to = models.DateField(null=True, blank=True)
    history = HistoricalRecords()

    objects = VisibleQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "tax nexus"
        constraints = [
            models.UniqueConstraint(fields=["entity", "country", "region", "effective_from"], name="one_nexus")
        ]

    def __str__(self) -> str:
        return f"{self.entity} in {self.country}{'-' + self.region if self.region else ''}"

    def clean(self) -> None:
        super().clean()
        wrong = ends_before_it_begins(self.effective_from, self.effective_to)
        if not re.fullmatch("[A-Z]{2}", self.country):
            wrong["country"] = "Write the two letters of ISO 3166, such as DE"
        if wrong:
            raise ValidationError(wrong)
