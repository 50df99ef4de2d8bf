"""Whether what an event booked was taken back: a mirror takes back, and a mirror of that restores."""

from django.db import migrations

# An odd number of posted turns: the books hold nothing of it.
FUNCTION = """
CREATE OR REPLACE FUNCTION ledger_taken_back(event uuid) RETURNS boolean LANGUAGE sql STABLE
  SET search_path = pg_catalog, public, pg_temp AS $$
  WITH RECURSIVE chain AS (
    SELECT e.id, 0 AS turns FROM ledger_journalentry e WHERE e.event_id = event AND e.state = 'reversed'
    UNION ALL
    SELECT m.id, c.turns + 1 FROM ledger_journalentry m JOIN chain c ON m.reverses_id = c.id
    WHERE m.state IN ('posted', 'reversed')
  ) CYCLE id SET again USING way
  SELECT coalesce(max(turns) % 2 = 1, false) FROM chain
$$
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_moves_that_fit")]

    operations = [migrations.RunSQL(FUNCTION, "DROP FUNCTION ledger_taken_back(uuid)")]
