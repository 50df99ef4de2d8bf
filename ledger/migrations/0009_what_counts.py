"""Whether what an event booked counts for nothing: taken back, and nothing that restores it is on its way."""

from django.db import migrations

# As ledger_taken_back, but what restores counts as soon as it is there: it may be posted any moment.
FUNCTION = """
CREATE OR REPLACE FUNCTION ledger_counts_no_more(event uuid) RETURNS boolean LANGUAGE sql STABLE
  SET search_path = pg_catalog, public, pg_temp AS $$
  WITH RECURSIVE chain AS (
    SELECT e.id, 0 AS turns FROM ledger_journalentry e WHERE e.event_id = event AND e.state = 'reversed'
    UNION ALL
    SELECT m.id, c.turns + 1 FROM ledger_journalentry m JOIN chain c ON m.reverses_id = c.id
    WHERE m.state IN ('posted', 'reversed') OR (c.turns % 2 = 1 AND m.state <> 'superseded')
  ) CYCLE id SET again USING way
  SELECT coalesce(max(turns) % 2 = 1, false) FROM chain
$$
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0008_what_rules_matched_on")]

    operations = [migrations.RunSQL(FUNCTION, "DROP FUNCTION ledger_counts_no_more(uuid)")]
