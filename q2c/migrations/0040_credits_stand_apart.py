"""What of the sums of records are credits is counted beside them, so that no list nets them against charges."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql")
REVERSE = SQL.with_suffix(".reverse.sql")


class Migration(migrations.Migration):
    dependencies = [("q2c", "0039_billing_has_it_no_more"), ("ledger", "0010_what_it_is_worth")]

    operations = [
        migrations.AddField("tally", "credit_minor", models.BigIntegerField(default=0, db_default=0)),
        migrations.RunSQL(SQL.read_text(), REVERSE.read_text()),
    ]
