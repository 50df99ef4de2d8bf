"""A poll cursor tells a poll that came to its end from one that was tried."""

from django.db import migrations, models

# Of one whose last poll failed, what it had seen before is the nearest there is.
SQL = """
UPDATE q2c_pollcursor SET read_at = CASE WHEN text = '' THEN polled_at ELSE seen_at END,
    failing_at = CASE WHEN text = '' THEN NULL ELSE polled_at END
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0054_what_is_asked_for")]

    operations = [
        migrations.AddField("pollcursor", "read_at", models.DateTimeField(null=True)),
        migrations.AddField("pollcursor", "failing_at", models.DateTimeField(null=True)),
        migrations.RunSQL(SQL, migrations.RunSQL.noop),
    ]
