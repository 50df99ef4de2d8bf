"""Credits are found by themselves, so that no sum of cases nets them against charges."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q

UNRESOLVED = ("open", "in_progress", "reopened", "awaiting_approval", "replaying", "snoozed")


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0010_as_the_models_are")]

    operations = [
        migrations.AddIndex(
            "case",
            models.Index(
                fields=["problem"],
                condition=Q(("amount_minor__lt", 0), ("state__in", UNRESOLVED)),
                name="case_credits",
            ),
        ),
    ]
