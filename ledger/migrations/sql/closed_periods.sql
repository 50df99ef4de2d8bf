-- What is not open stays what it is: under another name or on other days its month could be added anew, open.
CREATE OR REPLACE FUNCTION ledger_guard_period() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF OLD.state <> 'open' THEN
    RAISE EXCEPTION 'period % % is %: its name, entity, subledger, year and days stay; ask to reopen it first',
      OLD.subledger, OLD.name, replace(OLD.state, '_', ' ')
      USING ERRCODE = 'check_violation', CONSTRAINT = 'period_not_open';
  END IF;
  IF EXISTS (SELECT FROM ledger_journalentry WHERE period_id = OLD.id) THEN
    RAISE EXCEPTION 'period % % holds entries: its entity, subledger and days stay', OLD.subledger, OLD.name
      USING ERRCODE = 'check_violation', CONSTRAINT = 'period_booked';
  END IF;
  RETURN NEW;
END $$;
