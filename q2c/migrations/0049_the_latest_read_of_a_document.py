"""Of two reads of a document that meet, the one that began later counts: what was taken in last is remembered."""

from django.db import migrations, models

import q2c.keys


class Migration(migrations.Migration):
    dependencies = [("q2c", "0048_unreadable_documents_name_their_record")]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE q2c_read", "DROP SEQUENCE q2c_read"),
        migrations.CreateModel(
            "LatestRead",
            fields=[
                ("id", models.UUIDField(default=q2c.keys.new_id, editable=False, primary_key=True, serialize=False)),
                ("connection", models.CharField(max_length=60)),
                ("reference", models.CharField(help_text="The document's own id at its source", max_length=200)),
                (
                    "taken",
                    models.BigIntegerField(help_text="Reads that began before this number say nothing any more"),
                ),
                ("version", models.CharField(blank=True, help_text="A print of what was read", max_length=24)),
                ("changed_at", models.DateTimeField(help_text="As of which change it was taken in", null=True)),
                ("at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["at"], name="latest_read_at")],
                "constraints": [
                    models.UniqueConstraint(fields=("connection", "reference"), name="one_latest_read")
                ],
            },
        ),
    ]
