"""An offer says what its dry run found."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0006_what_is_put_right")]

    operations = [
        migrations.AddField("offer", "looked", models.JSONField(default=dict)),
        migrations.AddField("offer", "looked_at", models.DateTimeField(null=True)),
        migrations.AddField("offer", "looking", models.JSONField(default=dict)),
    ]
