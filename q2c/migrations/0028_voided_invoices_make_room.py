"""An invoice that was voided does not keep its number from the true one."""

from django.db import migrations, models
from django.db.models import Q

NAMES = {
    "one_invoice_per_entity_number": ("entity", "number"),
    "one_invoice_per_billing_reference": ("source", "billing_reference"),
}


class Migration(migrations.Migration):
    dependencies = [("q2c", "0027_references_by_record"), ("ledger", "0006_what_stands")]

    operations = [
        operation
        for name, fields in NAMES.items()
        for operation in (
            migrations.RemoveConstraint("invoice", name),
            migrations.AddConstraint(
                "invoice", models.UniqueConstraint(fields=fields, condition=~Q(state="voided"), name=name)
            ),
        )
    ]
