"""Our id, their id."""

from __future__ import annotations

from django.db import models

from q2c.visible import VisibleQuerySet


class CrossReference(models.Model):
    """`kind` customer | subscription | invoice | journal; one row per record and platform."""

    connection = models.CharField(max_length=60)
    kind = models.CharField(max_length=20)
    our_key = models.CharField(max_length=120)
    reference = models.CharField(max_length=200)
    document = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()

    objects = VisibleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "kind", "our_key"], name="one_reference_per_platform")
        ]
        indexes = [models.Index(fields=["reference"], name="their_reference")]
