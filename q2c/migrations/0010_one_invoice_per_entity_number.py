"""An entity issues an invoice number once, whichever system tells of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0009_waiting_for")]

    operations = [
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(fields=("entity", "number"), name="one_invoice_per_entity_number"),
        ),
        migrations.RemoveConstraint(model_name="invoice", name="one_invoice_per_number"),
    ]
