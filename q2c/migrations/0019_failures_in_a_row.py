"""A retry budget counts failures in a row, each kind by itself; how often a step was tried is for people."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0018_what_a_payer_bought")]

    operations = [
        migrations.AddField(
            model_name="step",
            name="failures",
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict),
        ),
    ]
