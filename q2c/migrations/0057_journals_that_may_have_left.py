"""What was refused, or met a 503, before it was noted that a journal left for its ledger: it may have left."""

from django.db import migrations

# What only reads shows as well, where a ledger is asked by POST: looked for once too often rather than once too seldom.
SQL = """
SELECT set_config('q2c.maintenance', 'on', true);
UPDATE q2c_step s SET proof = s.proof || jsonb_build_object('left', a.at)
FROM (SELECT step_id, max(at) AS at FROM q2c_attempt WHERE method <> 'GET' GROUP BY step_id) a
WHERE a.step_id = s.id AND s.stage = 'post_journal' AND s.state IN ('waiting', 'failed', 'abandoned')
  AND s.sent_at IS NULL AND coalesce(s.proof ->> 'left', 'true') = 'true';
SELECT set_config('q2c.maintenance', 'off', true);
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0056_sources_left_alone")]

    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
