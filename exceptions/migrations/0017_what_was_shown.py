"""A decision keeps what whoever took it was shown of its matter."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0016_changed_in_billing")]

    operations = [
        migrations.AddField("approval", "shown", models.TextField(blank=True, default="", db_default="")),
    ]
