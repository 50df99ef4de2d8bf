"""Lists by amount, and what stopped."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0007_long_keys_fit")]

    operations = [
        migrations.AddIndex(model_name="order", index=models.Index(fields=["total_minor", "id"], name="order_amount")),
        migrations.AddIndex(
            model_name="invoice", index=models.Index(fields=["total_minor", "id"], name="invoice_amount")
        ),
        migrations.AddIndex(
            model_name="step",
            index=models.Index(
                condition=models.Q(("state", "failed")), fields=["stage", "connection"], name="step_failed"
            ),
        ),
    ]
