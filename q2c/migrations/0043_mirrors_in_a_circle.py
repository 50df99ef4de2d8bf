"""What an entry is worth is told at once, even of entries that mirror each other in a circle.

No entry can any more (ledger 0011); what walks along mirrors ends all the same.
"""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION q2c_worth(reverses uuid, minor bigint) RETURNS bigint LANGUAGE sql STABLE
  SET search_path = pg_catalog, public, pg_temp AS $$
  WITH RECURSIVE turned(id, turns) AS (
    SELECT reverses, 1 WHERE reverses IS NOT NULL UNION ALL
    SELECT e.reverses_id, t.turns + 1 FROM turned t JOIN ledger_journalentry e ON e.id = t.id
    WHERE e.reverses_id IS NOT NULL) CYCLE id SET again USING way
  SELECT CASE WHEN coalesce(max(turns), 0) % 2 = 0 THEN minor ELSE 0 END FROM turned $$;
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0042_sums_of_any_size"), ("ledger", "0011_fixed_from_birth")]

    operations = [migrations.RunSQL(FUNCTION, migrations.RunSQL.noop)]
