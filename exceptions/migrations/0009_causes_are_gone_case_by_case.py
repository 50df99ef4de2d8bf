"""A case knows by itself whether its cause is gone: a mapping or a rate may free one and not another."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q

UNRESOLVED = ("open", "in_progress", "reopened", "awaiting_approval", "replaying", "snoozed")


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0008_taken_back_since")]

    operations = [
        migrations.AddField("case", "blocker_gone_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "case",
            models.Index(
                fields=["blocker_type", "blocker_key"],
                condition=Q(("blocker_gone_at__isnull", False), ("state__in", UNRESOLVED)),
                name="case_freed",
            ),
        ),
    ]
