"""Guards that read other rows wait for who is writing them: an account, a rule or an entity does not change under an
entry that is being booked, and of one event or key one entry lives, whoever comes at the same time.

The guards were sharpened in place; databases that had them before get them as new ones do.
"""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

_SQL = Path(__file__).parent / "sql"
_OF = {
    "master_data": ("ledger_take_turn", "ledger_guard_rule_line", "ledger_guard_account", "ledger_guard_entity"),
    "entries": ("ledger_entries_inserted", "ledger_check_numbers", "ledger_entries_updated"),
}


def _again(script: str, name: str) -> migrations.RunSQL:
    text = (_SQL / f"{script}.sql").read_text(encoding="utf-8")
    begins = text.index(f"CREATE FUNCTION {name}(")
    guard = text[begins : text.index("END $$;", begins) + len("END $$;")]
    return migrations.RunSQL(guard.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"), migrations.RunSQL.noop)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0011_fixed_from_birth")]

    operations = [_again(script, name) for script, names in _OF.items() for name in names]
