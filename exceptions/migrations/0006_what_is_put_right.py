"""What the fix button opens is said as it is."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0005_replays_have_a_sender")]

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
