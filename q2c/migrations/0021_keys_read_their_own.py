"""A key reads what came from its own source, unless it may read every system's. Keys that are there keep what they had."""

from __future__ import annotations

from django.db import migrations

EVERY = "q2c.read_every_system"
_KEEP = f"""
UPDATE q2c_apikey SET scopes = scopes || '["{EVERY}"]'::jsonb
WHERE NOT scopes @> '["{EVERY}"]'::jsonb AND scopes::text LIKE '%view\\_%'
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0020_jobs_come_to_an_end")]

    operations = [
        migrations.AlterModelOptions(
            name="event",
            options={
                "permissions": [
                    ("read_every_system", "Can read, with an API key, what every system sent, not its own alone")
                ]
            },
        ),
        migrations.RunSQL(_KEEP, migrations.RunSQL.noop),
    ]
