"""An entry keeps what its rules matched on, so that it can be explained when the data has become another.

It is frozen with the entry. The guard was sharpened in place; databases that had it before get it as new ones do.
"""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models
from django.db.models import JSONField, Value

_ENTRIES = (Path(__file__).parent / "sql" / "entries.sql").read_text(encoding="utf-8")
_BEGINS = _ENTRIES.index("CREATE FUNCTION ledger_entries_updated()")
GUARD = _ENTRIES[_BEGINS : _ENTRIES.index("END $$;", _BEGINS) + len("END $$;")]


class Migration(migrations.Migration):
    dependencies = [("ledger", "0007_keys_of_documents")]

    operations = [
        migrations.AddField(
            "journalentry", "matched", models.JSONField(blank=True, default=list, db_default=Value([], JSONField()), editable=False)
        ),
        migrations.RunSQL(GUARD.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), migrations.RunSQL.noop),
    ]
