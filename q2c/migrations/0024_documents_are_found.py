"""What a platform calls what a step made there leads to its journey."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("q2c", "0023_list_prices")]

    operations = [
        migrations.AddIndex(
            "step",
            models.Index(
                fields=["document"],
                condition=~Q(document="") & ~Q(stage__in=["post_journal", "sync_customer"]),
                name="step_document",
            ),
        ),
        migrations.AddIndex(
            "crossreference",
            models.Index(fields=["document"], condition=Q(kind="customer") & ~Q(document=""), name="their_customer"),
        ),
    ]
