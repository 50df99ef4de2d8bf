"""What is told of an invoice stands in the fiscal period that holds its day, by the calendar of its legal entity.

What is booked holds its period to its name and days (ledger_guard_period), so what follows is not booked: it stopped,
waits or was given up. Its case follows, unless it is about another period.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION q2c_place_invoices(entities bigint[]) RETURNS void LANGUAGE plpgsql
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
END $$;

CREATE FUNCTION q2c_periods_changed() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM q2c_place_invoices(ARRAY(SELECT DISTINCT entity_id FROM changed WHERE subledger = 'receivables'));
  RETURN NULL;
END $$;
CREATE TRIGGER q2c_periods_made AFTER INSERT ON ledger_fiscalperiod
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION q2c_periods_changed();
CREATE TRIGGER q2c_periods_moved AFTER UPDATE ON ledger_fiscalperiod
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION q2c_periods_changed();

SELECT q2c_place_invoices(ARRAY(SELECT id FROM ledger_legalentity));
"""
BACKWARD = """
DROP TRIGGER q2c_periods_moved ON ledger_fiscalperiod;
DROP TRIGGER q2c_periods_made ON ledger_fiscalperiod;
DROP FUNCTION q2c_periods_changed();
DROP FUNCTION q2c_place_invoices(bigint[]);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("q2c", "0064_step_billed"),
        ("ledger", "0016_period_names"),
        ("exceptions", "0019_replays_tell_differences"),
    ]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
