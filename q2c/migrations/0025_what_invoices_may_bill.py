"""A system's document is one invoice, whatever number it prints; usage out of proportion wants a second person's word."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0024_documents_are_found")]

    operations = [
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(
                fields=("source", "billing_reference"), name="one_invoice_per_billing_reference"
            ),
        ),
        *[
            migrations.AddField(
                model_name=name,
                name="usage_limit_percent",
                field=models.DecimalField(db_default=100, decimal_places=2, default=100, max_digits=7),
            )
            for name in ("commercialpolicy", "historicalcommercialpolicy")
        ],
    ]
