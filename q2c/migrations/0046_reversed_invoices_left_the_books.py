"""An invoice knows since when its journal is reversed; what mirror entries take back is counted beside what stands."""

from pathlib import Path

from django.db import migrations, models

from q2c import sums

SQL = Path(__file__).with_suffix(".sql")
REVERSE = SQL.with_suffix(".reverse.sql")


class Migration(migrations.Migration):
    dependencies = [("q2c", "0045_versions_of_an_invoice"), ("ledger", "0012_guards_take_turns")]

    operations = [
        migrations.AddField(
            "invoice",
            "reversed_at",
            models.DateTimeField(null=True, editable=False, help_text="Its journal is reversed since: no books hold it"),
        ),
        migrations.AddField("tally", "mirror_minor", sums.SumMinor(default=0, db_default=0)),
        migrations.RunSQL(SQL.read_text(), REVERSE.read_text()),
    ]
