"""Late facts may be booked in an open period, by a decision of two people."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_guards")]

    operations = [
        migrations.AlterModelOptions(
            name="journalentry",
            options={
                "permissions": [
                    ("reverse_journalentry", "Can reverse journal entries"),
                    ("redate_journalentry", "Can ask that late journal entries be booked in an open period"),
                ],
                "verbose_name_plural": "journal entries",
            },
        ),
        migrations.CreateModel(
            name="Redating",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", models.UUIDField()),
                ("rule_set", models.CharField(default="primary", max_length=20)),
                ("source_on", models.DateField()),
                ("effective_on", models.DateField()),
                ("reason", models.TextField()),
                ("asked_by", models.CharField(max_length=150)),
                ("approved_by", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
                (
                    "entity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="redatings", to="ledger.legalentity"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["event_id"], name="redating_event")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("effective_on__gt", models.F("source_on"))),
                        name="redating_later_than_source",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("asked_by", models.F("approved_by")), _negated=True),
                        name="redating_by_two_people",
                    ),
                ],
            },
        ),
    ]
