"""Databases that were made before the guards looked past temporary tables get them as new ones have them.

The SQL of the first migrations was sharpened in place. Where it has run already, this is what differs: every function
of ours finds our tables first, and an account that was booked on keeps its code.
"""

from __future__ import annotations

from django.db import migrations

CAUGHT_UP = """
DO $$
DECLARE name regprocedure;
BEGIN
  FOR name IN SELECT oid::regprocedure FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' AND proname ~ '^(q2c|ledger|exceptions)_'
  LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, public, pg_temp', name);
  END LOOP;
END $$;
CREATE OR REPLACE TRIGGER ledger_account_same BEFORE UPDATE OF id, entity_id, code, type ON ledger_account FOR EACH ROW
  WHEN ((OLD.id, OLD.entity_id, OLD.code, OLD.type) IS DISTINCT FROM (NEW.id, NEW.entity_id, NEW.code, NEW.type))
  EXECUTE FUNCTION ledger_guard_account();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("q2c", "0015_who_sent_it"),
        ("ledger", "0003_redatings"),
        ("exceptions", "0003_replays_by_name"),
    ]

    operations = [migrations.RunSQL(CAUGHT_UP, migrations.RunSQL.noop)]
