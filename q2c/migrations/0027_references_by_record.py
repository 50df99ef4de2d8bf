"""What a record is called on every platform is found at once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0026_tax_of_invoices")]

    operations = [migrations.AddIndex("crossreference", models.Index(fields=["our_key"], name="our_reference"))]
