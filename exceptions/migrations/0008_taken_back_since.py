"""A case that was closed without fix says so when billing takes back what it was about."""

from django.db import migrations, models

from exceptions.models.case_event import KINDS


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0007_offers_are_looked_at")]

    operations = [
        migrations.AlterField(
            "caseevent", "kind", models.CharField(choices=[(kind, kind) for kind in KINDS], max_length=24)
        ),
    ]
