"""Customers with their hierarchy, as the sales platform tells and as people correct them."""

from __future__ import annotations

from typing import Any

from django.db import models
from simple_history.models import HistoricalRecords

from q2c import clock
from q2c.visible import VisibleQuerySet


class Customer(models.Model):
    """`parent_key` names another customer's key; it is text because a parent may be unknown, which is a finding.

    Looked up by part of the name: the index over upper(name) is migration customer_names.
    """

    key = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    parent_key = models.CharField(max_length=64, blank=True, db_index=True)
    active = models.BooleanField(default=True)
    pays_for_itself = models.BooleanField(
        default=False, help_text="Pays its own invoices; otherwise the nearest parent that does, or the top, pays"
    )
    email = models.EmailField(blank=True)
    address = models.JSONField(null=True, blank=True)
    source = models.CharField(max_length=60, blank=True)
    changed_at = models.DateTimeField(default=clock.now, editable=False)
    history = HistoricalRecords()

    objects = VisibleQuerySet.as_manager()

    def save(self, *args: Any, **kwargs: Any) -> None:
        # A person's word is newer than any deal closed before it.
        self.changed_at = clock.now()
        super().save(*args, **kwargs)

    def __str__(self) -> str:
        return f"{self.name} ({self.key})"
