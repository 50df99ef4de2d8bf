"""A source that wants fewer calls is not asked before a time of its own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0055_when_sources_were_read")]

    operations = [
        migrations.AddField(
            "pollcursor", "not_before", models.DateTimeField("asked again at", null=True, blank=True)
        ),
        migrations.AddField("pollcursor", "pauses", models.PositiveSmallIntegerField(default=0)),
    ]
