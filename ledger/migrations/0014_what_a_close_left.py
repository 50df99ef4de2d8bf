"""A period that is closed keeps what was left open in it, as whoever closed it was told."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0013_series_begin_as_they_should")]

    operations = [
        migrations.AddField(model, "left_open", models.TextField(blank=True, default="", db_default="", editable=False))
        for model in ("fiscalperiod", "historicalfiscalperiod")
    ]
