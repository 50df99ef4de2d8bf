"""Polls read again what is stamped before the last one began, and remember where the first was to begin."""

from django.db import migrations, models


def seen_as_far_as_reached(apps, schema_editor):
    PollCursor = apps.get_model("q2c", "PollCursor")
    PollCursor.objects.using(schema_editor.connection.alias).update(seen_at=models.F("reached"))


class Migration(migrations.Migration):
    dependencies = [("q2c", "0029_fetched")]

    operations = [
        migrations.AddField("pollcursor", "first", models.DateTimeField(null=True)),
        migrations.AddField("pollcursor", "seen_at", models.DateTimeField(null=True)),
        migrations.AddField("pollcursor", "swept_at", models.DateTimeField(null=True)),
        migrations.RunPython(seen_as_far_as_reached, migrations.RunPython.noop),
        migrations.RemoveField("pollcursor", "moved_at"),
    ]
