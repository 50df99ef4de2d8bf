"""A period that is not open keeps its name and days, whether or not anything was booked in it."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_redatings")]

    operations = [
        migrations.RunSQL(
            (SQL / "closed_periods.sql").read_text(encoding="utf-8"),
            (SQL / "closed_periods_reverse.sql").read_text(encoding="utf-8"),
        )
    ]
