"""What is summed over many records need not fit a bigint."""

from django.db import migrations

from q2c import sums


class Migration(migrations.Migration):
    dependencies = [("q2c", "0041_what_billing_changed_or_took_back")]

    operations = [
        migrations.AlterField("tally", "amount_minor", sums.SumMinor()),
        migrations.AlterField("tally", "credit_minor", sums.SumMinor(default=0, db_default=0)),
    ]
