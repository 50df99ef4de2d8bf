-- Lines go into drafts only, and stay as they are. Once per statement, whatever its size.
-- The share lock makes a draft wait that somebody else is making ready, and the other way round.
-- Ids go in as an array and plans are made afresh: the table may have grown a thousandfold since the last one.
CREATE FUNCTION ledger_lines_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE ids uuid[] := ARRAY(SELECT DISTINCT n.entry_id FROM new_rows n); drafts integer;
BEGIN
  SELECT count(*) INTO drafts FROM (
    SELECT FROM ledger_journalentry e WHERE e.id = ANY (ids) AND e.state = 'drafted' FOR SHARE) held;
  IF drafts <> cardinality(ids) THEN
    RAISE EXCEPTION 'lines of an entry that is ready, or does not exist, cannot be added'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_lines_frozen';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_journalline_inserted AFTER INSERT ON ledger_journalline
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_lines_inserted();
CREATE TRIGGER ledger_journalline_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_journalline
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_rewrite();
CREATE TRIGGER ledger_journalentry_kept BEFORE DELETE OR TRUNCATE ON ledger_journalentry
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_rewrite();
