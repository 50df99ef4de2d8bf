"""An entry is what it was written as, a draft too; its key lives once, and it mirrors another than itself.

The guards were sharpened in place; databases that had them before get them as new ones do.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from django.db import migrations, models

_ENTRIES = (Path(__file__).parent / "sql" / "entries.sql").read_text(encoding="utf-8")
# What walks along mirrors ends, even where they made a circle.
_WALKS = [
    import_module(f"ledger.migrations.{name}").FUNCTION for name in ("0006_what_stands", "0009_what_counts")
]


def _again(name: str) -> migrations.RunSQL:
    begins = _ENTRIES.index(f"CREATE FUNCTION {name}(")
    guard = _ENTRIES[begins : _ENTRIES.index("END $$;", begins) + len("END $$;")]
    return migrations.RunSQL(guard.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0010_what_it_is_worth")]

    operations = [
        _again("ledger_entries_inserted"),
        _again("ledger_entries_updated"),
        *[migrations.RunSQL(function, migrations.RunSQL.noop) for function in _WALKS],
        migrations.AddConstraint(
            "journalentry",
            models.CheckConstraint(
                condition=models.Q(reverses=None) | ~models.Q(reverses=models.F("id")), name="entry_reverses_another"
            ),
        ),
    ]
