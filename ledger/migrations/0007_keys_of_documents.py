"""The key of an entry is its document's, which those that were never posted leave to what comes after them.

The guard was sharpened in place; databases that had it before get it as new ones do.
"""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

_ENTRIES = (Path(__file__).parent / "sql" / "entries.sql").read_text(encoding="utf-8")
_BEGINS = _ENTRIES.index("CREATE FUNCTION ledger_entries_inserted()")
GUARD = _ENTRIES[_BEGINS : _ENTRIES.index("END $$;", _BEGINS) + len("END $$;")]


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_what_stands")]

    operations = [
        migrations.RunSQL(GUARD.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), migrations.RunSQL.noop),
        migrations.RemoveConstraint("journalentry", "one_entry_per_key"),
        migrations.AddConstraint(
            "journalentry", models.UniqueConstraint(fields=["key", "generation"], name="one_entry_per_key")
        ),
    ]
