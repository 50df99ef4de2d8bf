"""What polls have fetched is remembered in the database, so that one that was restored fetches again what it lost."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0028_voided_invoices_make_room")]

    operations = [
        migrations.CreateModel(
            "Fetched",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("connection", models.CharField(max_length=60)),
                ("reference", models.CharField(max_length=200)),
                ("changed_at", models.DateTimeField(help_text="The source's own time of the change")),
                ("at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["at"], name="fetched_at")],
                "constraints": [
                    models.UniqueConstraint(fields=("connection", "reference"), name="one_fetch_per_reference")
                ],
            },
        )
    ]
