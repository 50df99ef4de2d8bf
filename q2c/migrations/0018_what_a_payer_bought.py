"""What a paying account has bought is found by it: credit is asked about each deal on top of that."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0017_order_portions")]

    operations = [
        migrations.AddIndex("ordergroup", models.Index(fields=["bill_to"], name="order_group_payer")),
    ]
