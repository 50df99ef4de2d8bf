"""An entry keeps what its document comes to, with its sign: of a credit less than nothing. It is frozen with the entry.

The guard was sharpened in place; databases that had it before get it as new ones do. Those that have entries fill them
where the documents are known (q2c 0034).
"""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

_ENTRIES = (Path(__file__).parent / "sql" / "entries.sql").read_text(encoding="utf-8")
_BEGINS = _ENTRIES.index("CREATE FUNCTION ledger_entries_updated()")
GUARD = _ENTRIES[_BEGINS : _ENTRIES.index("END $$;", _BEGINS) + len("END $$;")]


class Migration(migrations.Migration):
    dependencies = [("ledger", "0009_what_counts")]

    operations = [
        migrations.AddField("journalentry", "worth_minor", models.BigIntegerField(default=0, db_default=0)),
        migrations.RunSQL(GUARD.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), migrations.RunSQL.noop),
    ]
