"""Every move of every finite-state record; written by the database itself (q2c/states.py)."""

from __future__ import annotations

from django.db import models


class Transition(models.Model):
    """Who moved what, when, from where to where, and why. `machine` is the record's table."""

    append_only = True

    machine = models.CharField(max_length=40)
    record_id = models.UUIDField()
    source = models.CharField(max_length=24, blank=True)
    target = models.CharField(max_length=24)
    at = models.DateTimeField()
    actor = models.TextField()
    why = models.TextField(blank=True)
    correlation_id = models.UUIDField()

    class Meta:
        db_table = "q2c_transition"
        indexes = [models.Index(fields=["record_id", "id"], name="transition_of_record")]
