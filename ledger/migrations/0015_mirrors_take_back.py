"""A mirror entry negates its original line by line, whoever writes it.

The guards were sharpened in place; databases that had them before get them as new ones do.
"""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

_ENTRIES = (Path(__file__).parent / "sql" / "entries.sql").read_text(encoding="utf-8")


def _again(name: str) -> migrations.RunSQL:
    begins = _ENTRIES.index(f"CREATE FUNCTION {name}(")
    guard = _ENTRIES[begins : _ENTRIES.index("END $$;", begins) + len("END $$;")]
    return migrations.RunSQL(guard.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0014_what_a_close_left")]

    operations = [_again("ledger_check_mirrors"), _again("ledger_entries_updated")]
