"""What billing has taken back, by the number that its legal entity gave it: whoever tells of it, it is not owed."""

from __future__ import annotations

from django.db import models

from q2c import keys


class CancelledInvoice(models.Model):
    """A document of billing that is posted there no more. Gone again as soon as billing posts that very document.

    A number may be billed anew under another reference, which then stands (stages/cancelled_there.py).
    """

    id = models.UUIDField(primary_key=True, default=keys.new_id, editable=False)
    source = models.CharField(max_length=200, help_text="The billing connection")
    reference = models.CharField(max_length=200, help_text="The document's own id there")
    entity = models.CharField(max_length=20)
    number = models.CharField(max_length=64)
    cancelled_at = models.DateTimeField(help_text="When that was read")
    text = models.TextField(help_text="What billing said of it")

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["source", "reference"], name="one_cancelled_invoice")]
        indexes = [models.Index(fields=["number", "entity"], name="cancelled_invoice_number")]
