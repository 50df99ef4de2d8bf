"""A case that joins a replay waits for who queues it at that moment.

The guard was sharpened in place; databases that had it before get it as new ones do.
"""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

_SCRIPT = (Path(__file__).parent / "0002_tallies_and_frozen_items.sql").read_text(encoding="utf-8")
_BEGINS = _SCRIPT.index("CREATE FUNCTION exceptions_freeze_items()")
GUARD = _SCRIPT[_BEGINS : _SCRIPT.index("END $$;", _BEGINS) + len("END $$;")]


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0013_sums_of_any_size")]

    operations = [
        migrations.RunSQL(GUARD.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), migrations.RunSQL.noop)
    ]
