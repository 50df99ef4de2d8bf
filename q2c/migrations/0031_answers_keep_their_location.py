"""An answer that is given again names the order that it made, as the first did."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0030_polls_overlap_by_their_time")]

    operations = [
        migrations.AddField(
            "idempotencyrecord", "location", models.CharField(max_length=200, blank=True, default="", db_default="")
        ),
    ]
