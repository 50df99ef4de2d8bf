-- As ledger/models/series.py says it; the year has two digits, so it is one of one century. Else null.
CREATE FUNCTION ledger_series_prefix(number_code text, fiscal_year integer, journal text) RETURNS text LANGUAGE sql
  IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT number_code || '-' || lpad((fiscal_year % 100)::text, 2, '0') || '-' ||
    CASE journal WHEN 'SALES' THEN 'S' WHEN 'CASH' THEN 'C' WHEN 'REVENUE' THEN 'R' WHEN 'GENERAL' THEN 'G' END
  WHERE fiscal_year BETWEEN 2000 AND 2099;
$$;

-- A series begins at 0 and is moved by the entries' own trigger alone, so no number is skipped or used twice.
-- It begins with what its entity, year and journal make, so nobody takes the numbers of another one.
CREATE FUNCTION ledger_guard_series() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE begins text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    -- The entity keeps its number code meanwhile.
    PERFORM ledger_take_turn(false);
    begins := (SELECT ledger_series_prefix(e.number_code, NEW.fiscal_year, NEW.journal)
               FROM ledger_legalentity e WHERE e.id = NEW.entity_id);
    IF NEW.prefix IS DISTINCT FROM begins OR begins !~ '^[A-Z0-9]{1,4}-[0-9]{2}-[A-Z]$' THEN
      RAISE EXCEPTION 'series %: the numbers of journal % in % begin with %', NEW.prefix, NEW.journal, NEW.fiscal_year,
          coalesce(begins, 'nothing; years are 2000 to 2099')
        USING ERRCODE = 'check_violation', CONSTRAINT = 'out_of_number';
    END IF;
    IF NEW.last_number = 0 THEN
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
