"""What the fix button opens is said as it is."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0004_found_by_blocker")]

    operations = [
        migrations.AlterField(
            "policy",
            "fix_kind",
            models.CharField(
                max_length=40,
                help_text="What is put right; with order the fix button opens the order, else what is in the way",
            ),
        ),
    ]
