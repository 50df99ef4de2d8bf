-- Master data that entries rest on does not change under them.
-- pg_temp is named last in every search path: else a temporary table of the caller's would be read before ours.

-- Tests reset and retention drops as the owner, in a transaction that says so; nobody else ever.
CREATE FUNCTION ledger_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF current_setting('q2c.maintenance', true) = 'on'
     AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% is kept for ever: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'check_violation', CONSTRAINT = 'append_only';
END $$;

-- Who writes entries goes beside others who do. Who changes what entries rest on, or derives one anew, goes alone until
-- the end of the transaction, and sees what those left who went before.
CREATE FUNCTION ledger_take_turn(alone boolean) RETURNS void LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF alone THEN
    PERFORM pg_advisory_xact_lock(hashtext('ledger_books'));
  ELSE
    PERFORM pg_advisory_xact_lock_shared(hashtext('ledger_books'));
  END IF;
END $$;

CREATE FUNCTION ledger_guard_rule() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF OLD.used_at IS NULL THEN
    RETURN coalesce(NEW, OLD);
  END IF;
  IF TG_OP = 'UPDATE' THEN
    -- A version that has booked may be ended, and nothing else.
    OLD.effective_to := NEW.effective_to;
    IF OLD IS NOT DISTINCT FROM NEW THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'posting rule % v% has booked entries and is frozen: make a new version', OLD.name, OLD.version
    USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_rule_frozen';
END $$;
CREATE TRIGGER ledger_postingrule_frozen BEFORE UPDATE OR DELETE ON ledger_postingrule
  FOR EACH ROW EXECUTE FUNCTION ledger_guard_rule();

CREATE FUNCTION ledger_guard_rule_line() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE used record;
BEGIN
  -- Who books by it for the first time is waited for, or waits.
  PERFORM FROM ledger_postingrule r
    WHERE r.id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.rule_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.rule_id END)
    ORDER BY r.id FOR NO KEY UPDATE;
  SELECT r.name, r.version INTO used FROM ledger_postingrule r
    WHERE r.id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.rule_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.rule_id END)
      AND r.used_at IS NOT NULL LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'posting rule % v% has booked entries and is frozen: make a new version', used.name, used.version
      USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_rule_frozen';
  END IF;
  RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER ledger_postingruleline_frozen BEFORE INSERT OR UPDATE OR DELETE ON ledger_postingruleline
  FOR EACH ROW EXECUTE FUNCTION ledger_guard_rule_line();

CREATE FUNCTION ledger_guard_account() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM ledger_take_turn(true);
  IF EXISTS (SELECT FROM ledger_journalline WHERE account_id = OLD.id) THEN
    RAISE EXCEPTION 'account % has been booked on: its code, type and entity stay; end it and make a new one', OLD.code
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'account_booked';
  END IF;
  RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER ledger_account_kept BEFORE DELETE ON ledger_account
  FOR EACH ROW EXECUTE FUNCTION ledger_guard_account();
CREATE TRIGGER ledger_account_same BEFORE UPDATE OF id, entity_id, code, type ON ledger_account FOR EACH ROW
  WHEN ((OLD.id, OLD.entity_id, OLD.code, OLD.type) IS DISTINCT FROM (NEW.id, NEW.entity_id, NEW.code, NEW.type))
  EXECUTE FUNCTION ledger_guard_account();

CREATE FUNCTION ledger_guard_entity() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM ledger_take_turn(true);
  -- A series that is there begins with the number code, whether it has numbers or not.
  IF EXISTS (SELECT FROM ledger_journalseries WHERE entity_id = OLD.id
             AND (last_number > 0 OR NEW.number_code <> OLD.number_code)) THEN
    RAISE EXCEPTION 'entity % has a series of numbers: its currency, fiscal year and number code stay', OLD.code
      USING ERRCODE = 'check_violation', CONSTRAINT = 'entity_booked';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_legalentity_same
  BEFORE UPDATE OF functional_currency, fiscal_year_start_month, number_code ON ledger_legalentity FOR EACH ROW
  WHEN ((OLD.functional_currency, OLD.fiscal_year_start_month, OLD.number_code)
        IS DISTINCT FROM (NEW.functional_currency, NEW.fiscal_year_start_month, NEW.number_code))
  EXECUTE FUNCTION ledger_guard_entity();

CREATE FUNCTION ledger_guard_period() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM ledger_journalentry WHERE period_id = OLD.id) THEN
    RAISE EXCEPTION 'period % % holds entries: its entity, subledger and days stay', OLD.subledger, OLD.name
      USING ERRCODE = 'check_violation', CONSTRAINT = 'period_booked';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_fiscalperiod_same
  BEFORE UPDATE OF entity_id, subledger, name, fiscal_year, starts_on, ends_on ON ledger_fiscalperiod FOR EACH ROW
  WHEN ((OLD.entity_id, OLD.subledger, OLD.name, OLD.fiscal_year, OLD.starts_on, OLD.ends_on)
        IS DISTINCT FROM (NEW.entity_id, NEW.subledger, NEW.name, NEW.fiscal_year, NEW.starts_on, NEW.ends_on))
  EXECUTE FUNCTION ledger_guard_period();
