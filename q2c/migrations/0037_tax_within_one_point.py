"""A wrong statutory rate can be two points off, as 8 and 10 % in Japan: by default one point needs no approval.

Policies that are there keep what they say.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0036_keys_that_are_named_stay")]

    operations = [
        migrations.AlterField(
            name,
            "tax_tolerance_percent",
            models.DecimalField(db_default=1, decimal_places=2, default=1, max_digits=5),
        )
        for name in ("commercialpolicy", "historicalcommercialpolicy")
    ]
