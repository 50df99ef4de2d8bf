"""What cannot be read, by the day in the context of its case, and reversals that are asked for follow their fiscal
calendar as well.
"""

from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION q2c_place_invoices(entities bigint[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  WITH placed AS (
    SELECT s.id, s.period AS was, coalesce(p.name, left(d.day, 7)) AS now
    FROM ledger_legalentity n
    JOIN q2c_step s ON s.entity = n.code AND s.stage IN ('record_invoice', 'reverse_journal') AND s.state <> 'done'
    JOIN q2c_event e ON e.id = s.event_id
    CROSS JOIN LATERAL (SELECT coalesce(e.payload ->> 'issued_on', e.payload ->> 'effective_on') AS day) d
    LEFT JOIN ledger_fiscalperiod p ON p.entity_id = n.id AND p.subledger = 'receivables'
      AND p.starts_on <= d.day::date AND p.ends_on > d.day::date
    WHERE n.id = ANY(entities)
  ), moved AS (
    UPDATE q2c_step s SET period = m.now FROM placed m WHERE s.id = m.id AND m.now <> m.was RETURNING s.id, m.was, m.now
  )
  UPDATE exceptions_case c SET period = m.now FROM moved m WHERE c.step_id = m.id AND c.period = m.was;

  UPDATE exceptions_case c SET period = m.now
  FROM (
    SELECT u.id, coalesce(p.name, left(u.context ->> 'dated', 7)) AS now
    FROM ledger_legalentity n
    JOIN exceptions_case u ON u.entity = n.code AND u.raw_hash IS NOT NULL AND u.step_id IS NULL AND u.context ? 'dated'
    LEFT JOIN ledger_fiscalperiod p ON p.entity_id = n.id AND p.subledger = 'receivables'
      AND p.starts_on <= (u.context ->> 'dated')::date AND p.ends_on > (u.context ->> 'dated')::date
    WHERE n.id = ANY(entities)
  ) m WHERE c.id = m.id AND c.period <> m.now;
END $$;
"""
# What was booked before was told by the month of its day, and its period holds its days from now on.
BOOKED = """
UPDATE q2c_step s SET period = p.name
FROM q2c_event e, ledger_legalentity n, ledger_fiscalperiod p
WHERE e.id = s.event_id AND s.stage = 'record_invoice' AND s.state = 'done' AND n.code = s.entity
  AND p.entity_id = n.id AND p.subledger = 'receivables' AND p.name <> s.period
  AND p.starts_on <= (e.payload ->> 'issued_on')::date AND p.ends_on > (e.payload ->> 'issued_on')::date;
SELECT q2c_place_invoices(ARRAY(SELECT id FROM ledger_legalentity));
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0065_invoices_in_their_fiscal_periods")]

    # What stood before stays where that is undone: the function of 0065 goes with it.
    operations = [
        migrations.RunSQL(FORWARD, migrations.RunSQL.noop),
        migrations.RunSQL(BOOKED, migrations.RunSQL.noop),
    ]
