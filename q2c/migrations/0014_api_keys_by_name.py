"""API keys are called so."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("q2c", "0013_customer_names")]

    operations = [
        migrations.AlterModelOptions(
            name="apikey", options={"verbose_name": "API key", "verbose_name_plural": "API keys"}
        ),
        migrations.AlterModelOptions(
            name="historicalapikey",
            options={
                "get_latest_by": ("history_date", "history_id"),
                "ordering": ("-history_date", "-history_id"),
                "verbose_name": "historical API key",
                "verbose_name_plural": "historical API keys",
            },
        ),
    ]
