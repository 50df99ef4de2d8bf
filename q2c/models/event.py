"""Facts as they arrived, kept for ever."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from q2c import keys
from q2c.models.api_key import ApiKey
from q2c.models.fields import RawJSONField
from q2c.visible import VisibleQuerySet


class Event(models.Model):
    """One fact, byte for byte. (source, source_id) is its identity, payload_hash its content.

    What came in an envelope is kept without loss: `envelope` is what stood around the payload, `data_at` where.
    `api_key` brought it, `sent_by` made that key or asked on a page; both are empty for what platforms of ours gave.
    """

    append_only = True
    # Where a row came from, for a key that reads its own alone (see visible.py).
    came_from = ("source",)

    id = models.UUIDField(primary_key=True, default=keys.new_id, editable=False)
    type = models.CharField(max_length=60)
    schema_version = models.PositiveSmallIntegerField(default=1)
    source = models.CharField(max_length=200)
    source_id = models.CharField(max_length=200)
    correlation_id = models.UUIDField()
    causation_id = models.UUIDField(null=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    payload = RawJSONField()
    payload_hash = models.BinaryField(max_length=32)
    envelope = models.TextField(blank=True, default="", db_default="")
    data_at = models.PositiveIntegerField(default=0, db_default=0)
    # Neither indexed nor checked by the database: events come by the thousand, keys and people are never deleted.
    api_key = models.ForeignKey(
        ApiKey, on_delete=models.PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", db_index=False,
        db_constraint=False,
    )  # fmt: skip

    objects = VisibleQuerySet.as_manager()

    class Meta:
        permissions = [("read_every_system", "Can read, with an API key, what every system sent, not its own alone")]
        constraints = [models.UniqueConstraint(fields=["source", "source_id"], name="event_identity")]
        indexes = [models.Index(fields=["correlation_id", "id"], name="event_journey")]

    def __str__(self) -> str:
        return f"{self.type} {self.source_id}"

    @property
    def as_sent(self) -> str:
        """The line or item as it came; of what came without an envelope, the payload."""
        if self.envelope and self.data_at >= len(self.envelope):
            # Its payload came in Base64, which is still in the envelope.
            return self.envelope
        return f"{self.envelope[: self.data_at]}{self.payload}{self.envelope[self.data_at :]}"
