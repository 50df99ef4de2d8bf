-- A series begins at 0 and is moved by the entries' own trigger alone, so no number is skipped or used twice.
CREATE FUNCTION ledger_guard_series() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.last_number = 0 AND NEW.prefix ~ '^[A-Z0-9]{1,4}-[0-9]{2}-[A-Z]$' THEN
      RETURN NEW;
    END IF;
  -- The entries' trigger runs as the owner and one level further out than this one.
  ELSIF pg_trigger_depth() > 1
     AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)
     AND (OLD.id, OLD.entity_id, OLD.fiscal_year, OLD.journal, OLD.prefix)
         = (NEW.id, NEW.entity_id, NEW.fiscal_year, NEW.journal, NEW.prefix)
     AND NEW.last_number > OLD.last_number THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'series %: numbers are counted by the entries alone', coalesce(NEW.prefix, OLD.prefix)
    USING ERRCODE = 'check_violation', CONSTRAINT = 'out_of_number';
END $$;
CREATE TRIGGER ledger_journalseries_guard BEFORE INSERT OR UPDATE ON ledger_journalseries
  FOR EACH ROW EXECUTE FUNCTION ledger_guard_series();
CREATE TRIGGER ledger_journalseries_kept BEFORE DELETE OR TRUNCATE ON ledger_journalseries
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_rewrite();
