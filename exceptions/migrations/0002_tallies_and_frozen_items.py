"""Counts kept by the database, and the frozen choice of a batch. The SQL stands beside."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_suffix(".sql")
REVERSE = SQL.with_suffix(".reverse.sql")


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0001_records")]

    operations = [migrations.RunSQL(SQL.read_text(), REVERSE.read_text())]
