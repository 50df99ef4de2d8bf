"""What a batch of replays is called."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0002_tallies_and_frozen_items")]

    operations = [
        migrations.AlterModelOptions(
            name="replaybatch",
            options={"default_permissions": (), "verbose_name": "replay", "verbose_name_plural": "replays"},
        ),
    ]
