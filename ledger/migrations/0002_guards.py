"""What no code path can get round: overlaps, frozen rules, gapless numbers, balance, frozen entries."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


def script(name: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        (SQL / f"{name}.sql").read_text(encoding="utf-8"), (SQL / f"{name}_reverse.sql").read_text(encoding="utf-8")
    )


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_books")]

    operations = [script(name) for name in ("overlaps", "master_data", "series", "lines", "entries")]
