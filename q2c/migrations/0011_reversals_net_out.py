"""What a journal and its reversal are worth together is nothing."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_suffix(".sql")
REVERSE = SQL.with_suffix(".reverse.sql")


class Migration(migrations.Migration):
    dependencies = [("q2c", "0010_one_invoice_per_entity_number"), ("ledger", "0002_guards")]

    operations = [migrations.RunSQL(SQL.read_text(), REVERSE.read_text())]
