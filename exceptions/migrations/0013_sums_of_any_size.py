"""What is summed over many cases need not fit a bigint."""

from django.db import migrations

from q2c import sums


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0012_replays_tell_credits")]

    operations = [
        migrations.AlterField("facet", "amount_minor", sums.SumMinor()),
        migrations.AlterField("problemamount", "amount_minor", sums.SumMinor()),
    ]
