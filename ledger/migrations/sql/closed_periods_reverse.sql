CREATE OR REPLACE FUNCTION ledger_guard_period() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM ledger_journalentry WHERE period_id = OLD.id) THEN
    RAISE EXCEPTION 'period % % holds entries: its entity, subledger and days stay', OLD.subledger, OLD.name
      USING ERRCODE = 'check_violation', CONSTRAINT = 'period_booked';
  END IF;
  RETURN NEW;
END $$;
