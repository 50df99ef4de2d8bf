"""Our id, their id."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from q2c.visible import VisibleQuerySet


class CrossReference(models.Model):
    """`kind` customer | journal | journal_number (a ledger's second one); one row per record and platform, for ever."""

    append_only = True

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
        indexes = [
            models.Index(fields=["reference"], name="their_reference"),
            # Of one record, on whatever platform.
            models.Index(fields=["our_key"], name="our_reference"),
            # By the number that a customer has on a platform; journals keep theirs themselves.
            models.Index(fields=["document"], condition=Q(kind="customer") & ~Q(document=""), name="their_customer"),
        ]
