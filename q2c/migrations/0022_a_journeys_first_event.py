"""Whose a journey is says its first event, which is found at once however many follow it."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0021_keys_read_their_own")]

    operations = [
        migrations.AddIndex("event", models.Index(fields=["correlation_id", "id"], name="event_journey")),
        migrations.RemoveIndex("event", "event_correlation"),
    ]
