"""An entry is reversed by a posted mirror, posted with its document, and replaced only once it is superseded.

The guard was sharpened in place; databases that had it before get it as new ones do.
"""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

_ENTRIES = (Path(__file__).parent / "sql" / "entries.sql").read_text(encoding="utf-8")
_BEGINS = _ENTRIES.index("CREATE FUNCTION ledger_entries_updated()")
GUARD = _ENTRIES[_BEGINS : _ENTRIES.index("END $$;", _BEGINS) + len("END $$;")]


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_closed_periods")]

    operations = [
        migrations.RunSQL(GUARD.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), migrations.RunSQL.noop)
    ]
