"""The list of invoices may be asked for those that one system told of, the newest first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0066_unread_invoices_in_their_fiscal_periods")]

    operations = [
        migrations.AddIndex(
            "invoice", models.Index(fields=["source", "-issued_on", "-id"], name="invoice_told_by")
        ),
    ]
