"""A step that asks several connections says which of them it waits for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0008_list_indexes")]

    operations = [
        migrations.AddField(
            model_name="step",
            name="waiting_for",
            field=models.CharField(blank=True, db_default="", max_length=60),
        ),
    ]
