"""Words find a case by the key of what stands in its way, too. The database fills the column anew in one statement."""

from __future__ import annotations

import django.contrib.postgres.indexes
from django.db import migrations, models
from django.db.models import F, Value
from django.db.models.functions import Concat, Lower

COLUMNS = ("business_key", "customer", "customer_key", "document", "code", "blocker_key")


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0003_replays_by_name")]

    operations = [
        migrations.RemoveIndex("case", "case_haystack"),
        migrations.RemoveField("case", "haystack"),
        migrations.AddField(
            "case",
            "haystack",
            models.GeneratedField(
                expression=Lower(
                    Concat(*(part for name in COLUMNS for part in (F(name), Value(" "))), output_field=models.TextField())
                ),
                output_field=models.TextField(),
                db_persist=True,
            ),
        ),
        migrations.AddIndex(
            "case",
            django.contrib.postgres.indexes.GinIndex(
                fields=["haystack"], opclasses=["gin_trgm_ops"], name="case_haystack"
            ),
        ),
    ]
