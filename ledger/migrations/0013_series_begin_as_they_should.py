"""A series begins with what its entity's number code, its year and its journal make, and so do all numbers.

The guards were sharpened in place; databases that had them before get them as new ones do. What was put in the way of
the rightful series there, and never gave a number, goes: the first booking makes the right one.
"""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent / "sql"


def _again(script: str, name: str, ends: str = "END $$;") -> str:
    text = (_SQL / f"{script}.sql").read_text(encoding="utf-8")
    begins = text.index(f"CREATE FUNCTION {name}(")
    return text[begins : text.index(ends, begins) + len(ends)].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


MADE_ROOM = """
SELECT set_config('q2c.maintenance', 'on', true);
DELETE FROM ledger_journalseries s USING ledger_legalentity e WHERE e.id = s.entity_id AND s.last_number = 0
  AND s.prefix IS DISTINCT FROM ledger_series_prefix(e.number_code, s.fiscal_year, s.journal);
SELECT set_config('q2c.maintenance', 'off', true);
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0012_guards_take_turns")]

    operations = [
        migrations.RunSQL(_again("series", "ledger_series_prefix", "\n$$;"), migrations.RunSQL.noop),
        migrations.RunSQL(_again("series", "ledger_guard_series"), migrations.RunSQL.noop),
        migrations.RunSQL(_again("master_data", "ledger_guard_entity"), migrations.RunSQL.noop),
        migrations.RunSQL(MADE_ROOM, migrations.RunSQL.noop),
    ]
