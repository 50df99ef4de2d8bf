"""What waits for a second person is worth what its decision would change, in the month that it would change."""

from django.db import migrations

# A cancellation is worth what it would have credited, as its finding says; in several currencies that is no one amount.
CREDITS = """
UPDATE exceptions_case c SET
  amount_minor = CASE WHEN jsonb_array_length(w.worth) = 1 THEN -(w.worth -> 0 ->> 0)::bigint END,
  currency = CASE WHEN jsonb_array_length(w.worth) = 1 THEN w.worth -> 0 ->> 1 ELSE '' END
FROM (SELECT id, context -> 'findings' -> 0 -> 'worth' AS worth FROM exceptions_case
      WHERE reason = 'cancellation_approval_required' AND resolved_at IS NULL) AS w
WHERE c.id = w.id AND jsonb_typeof(w.worth) = 'array' AND w.worth <> '[]'
"""
# A reversal changes the period of its day, whichever the journal is in.
_MIRRORED = """
  SELECT s.id, coalesce(p.name, to_char((e.payload ->> 'effective_on')::date, 'YYYY-MM')) AS period
  FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
  LEFT JOIN ledger_legalentity n ON n.code = s.entity
  LEFT JOIN ledger_fiscalperiod p ON p.entity_id = n.id AND p.subledger = 'receivables'
    AND p.starts_on <= (e.payload ->> 'effective_on')::date AND p.ends_on > (e.payload ->> 'effective_on')::date
  WHERE s.stage = 'reverse_journal' AND s.state NOT IN ('done', 'abandoned') AND s.entity <> ''
"""
MIRRORS = f"""
WITH mirrored AS ({_MIRRORED})
UPDATE exceptions_case c SET period = m.period FROM mirrored m
WHERE c.step_id = m.id AND c.resolved_at IS NULL AND c.period <> m.period;
WITH mirrored AS ({_MIRRORED})
UPDATE q2c_step s SET period = m.period FROM mirrored m WHERE s.id = m.id AND s.period <> m.period;
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0053_documents_of_cancellations"), ("exceptions", "0018_unreadable_documents_are_found")]

    operations = [
        migrations.RunSQL(CREDITS, migrations.RunSQL.noop),
        migrations.RunSQL(MIRRORS, migrations.RunSQL.noop),
    ]
