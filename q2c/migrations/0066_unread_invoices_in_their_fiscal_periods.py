"""The cases of invoices that could not be read follow their fiscal calendar as well, by the day in their context."""

from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION q2c_place_invoices(entities bigint[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  WITH placed AS (
    SELECT s.id, s.period AS was, coalesce(p.name, left(e.payload ->> 'issued_on', 7)) AS now
    FROM ledger_legalentity n
    JOIN q2c_step s ON s.entity = n.code AND s.stage = 'record_invoice' AND s.state <> 'done'
    JOIN q2c_event e ON e.id = s.event_id
    LEFT JOIN ledger_fiscalperiod p ON p.entity_id = n.id AND p.subledger = 'receivables'
      AND p.starts_on <= (e.payload ->> 'issued_on')::date AND p.ends_on > (e.payload ->> 'issued_on')::date
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


class Migration(migrations.Migration):
    dependencies = [("q2c", "0065_invoices_in_their_fiscal_periods")]

    # What stood before stays where that is undone: the function of 0065 goes with it.
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
