"""A policy's history tells what its column is for, as the policy does: the schema is as it was."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0009_causes_are_gone_case_by_case")]

    operations = [
        migrations.AlterField(
            "historicalpolicy",
            "fix_kind",
            models.CharField(
                help_text="What is put right; with order the fix button opens the order, else what is in the way",
                max_length=40,
            ),
        ),
    ]
