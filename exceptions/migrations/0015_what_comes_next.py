"""A case keeps what its dry run found in its way once its cause was gone."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0014_who_joins_a_replay_waits")]

    operations = [
        migrations.AddField(model_name="case", name="next_cause", field=models.JSONField(null=True)),
    ]
