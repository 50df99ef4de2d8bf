"""A root cause of its own for what billing changed or took back after it was booked."""

from django.db import migrations, models

CAUSES = (
    "master_data", "order_entry", "platform_setup", "platform_fault", "period_close", "interface_error",
    "changed_in_billing", "duplicate", "test_data", "other",
)


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0015_what_comes_next")]

    operations = [
        migrations.AlterField(
            model_name="case",
            name="root_cause",
            field=models.CharField(blank=True, choices=[(cause, cause) for cause in CAUSES], max_length=20),
        )
    ]
