"""What the tax of each line was estimated at, and how far an invoice's may be from that."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0025_what_invoices_may_bill")]

    operations = [
        migrations.AddField("orderline", "tax_estimate_minor", models.BigIntegerField(null=True)),
        *[
            migrations.AddField(
                name,
                "tax_tolerance_percent",
                models.DecimalField(db_default=2, decimal_places=2, default=2, max_digits=5),
            )
            for name in ("commercialpolicy", "historicalcommercialpolicy")
        ],
    ]
