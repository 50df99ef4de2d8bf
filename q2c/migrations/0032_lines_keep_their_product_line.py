"""An order line keeps the product line that it was sold in; those that are there get their product's, as it stands."""

from django.db import migrations, models

# Lines are append-only; the owner of the tables may, in a transaction that says so.
_FILL = """
SET LOCAL q2c.maintenance = 'on';
UPDATE q2c_orderline l SET product_line = p.product_line
FROM q2c_product p WHERE p.code = l.product AND p.product_line <> '';
SET LOCAL q2c.maintenance = 'off';
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0031_answers_keep_their_location")]

    operations = [
        migrations.AddField(
            "orderline", "product_line", models.CharField(max_length=40, blank=True, default="", db_default="")
        ),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
    ]
