"""Where a legal entity must charge tax."""

from __future__ import annotations

from django.db import models
from simple_history.models import HistoricalRecords

from q2c.models.visible import VisibleQuerySet


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
