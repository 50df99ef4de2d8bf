"""What all journals are worth is told with their sign, so that it ties to what all invoices are worth."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_suffix(".sql")
REVERSE = SQL.with_suffix(".reverse.sql")


class Migration(migrations.Migration):
    dependencies = [("q2c", "0033_what_was_given_up"), ("ledger", "0010_what_it_is_worth")]

    operations = [migrations.RunSQL(SQL.read_text(), REVERSE.read_text())]
