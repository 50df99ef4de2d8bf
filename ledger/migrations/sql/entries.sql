-- What holds for entries, checked once per statement over its transition tables.
-- SELECT … INTO stops at the first row; a LIMIT would have the planner join by nested loop, in quadratic time.

CREATE FUNCTION ledger_refuse(what text, name text) RETURNS void LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '%', what USING ERRCODE = 'check_violation', CONSTRAINT = name;
END $$;

-- One living entry per (entity, event, rule set), and of a key: a further generation only after the one before, of the
-- event or of the key, is superseded.
-- One living mirror per entry: the lock on the original lets two reversals meet one after the other.
CREATE FUNCTION ledger_entries_inserted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $$
DECLARE bad record; again boolean := EXISTS (SELECT FROM new_rows n WHERE n.generation <> 1);
BEGIN
  -- Of two first ones an index lets one pass. A further one and a first go one after the other.
  PERFORM ledger_take_turn(again);
  IF again THEN
    SELECT n.id, n.generation INTO bad FROM new_rows n
      WHERE n.generation <> 1 AND NOT EXISTS (
        SELECT FROM ledger_journalentry p
        WHERE ((p.event_id = n.event_id AND p.entity_id = n.entity_id AND p.rule_set = n.rule_set) OR p.key = n.key)
          AND p.generation = n.generation - 1 AND p.state = 'superseded');
    IF FOUND THEN
      PERFORM ledger_refuse(format('entry %s: generation %s follows a superseded one only', bad.id, bad.generation),
                            'one_living_entry');
    END IF;
  END IF;
  SELECT n.id INTO bad FROM new_rows n JOIN ledger_journalentry p
      ON p.event_id = n.event_id AND p.entity_id = n.entity_id AND p.rule_set = n.rule_set
    WHERE p.id <> n.id AND p.state <> 'superseded';
  IF FOUND THEN
    PERFORM ledger_refuse(format('entry %s: its event has a living one', bad.id), 'one_living_entry');
  END IF;
  SELECT n.id INTO bad FROM new_rows n JOIN ledger_journalentry p ON p.key = n.key
    WHERE p.id <> n.id AND p.state <> 'superseded';
  IF FOUND THEN
    PERFORM ledger_refuse(format('entry %s: its key has a living one', bad.id), 'one_living_entry');
  END IF;
  IF EXISTS (SELECT FROM new_rows n WHERE n.reverses_id IS NOT NULL) THEN
    PERFORM 1 FROM ledger_journalentry WHERE id IN (SELECT n.reverses_id FROM new_rows n) ORDER BY id FOR NO KEY UPDATE;
    SELECT n.id, o.number INTO bad FROM new_rows n JOIN ledger_journalentry o ON o.id = n.reverses_id
      WHERE o.state <> 'posted' OR o.entity_id <> n.entity_id OR o.currency <> n.currency
         OR EXISTS (SELECT FROM ledger_journalentry m
                    WHERE m.reverses_id = o.id AND m.id <> n.id AND m.state <> 'superseded');
    IF FOUND THEN
      PERFORM ledger_refuse(format('entry %s is not posted, or has a mirror already', bad.number), 'one_living_mirror');
    END IF;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_journalentry_inserted AFTER INSERT ON ledger_journalentry
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_inserted();

-- Header and lines of entries that become ready: two lines or more, three balances, own or shared accounts.
CREATE FUNCTION ledger_check_balance(ids uuid[]) RETURNS void LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE bad record;
BEGIN
  SELECT e.id, coalesce(s.lines, 0) AS lines, s.amount, s.functional, s.in_group, s.accounts INTO bad
    FROM ledger_journalentry e
    LEFT JOIN (
      SELECT l.entry_id, count(*) AS lines, sum(l.amount_minor) AS amount, sum(l.functional_minor) AS functional,
             sum(l.group_minor) AS in_group, sum(l.amount_minor) FILTER (WHERE l.amount_minor > 0) AS debits,
             array_agg(DISTINCT l.account_id) AS accounts
      FROM ledger_journalline l WHERE l.entry_id = ANY (ids) GROUP BY l.entry_id) s ON s.entry_id = e.id
    WHERE e.id = ANY (ids)
      AND (s.lines IS NULL OR s.lines < 2 OR s.amount <> 0 OR s.functional <> 0 OR s.in_group <> 0
           OR s.lines <> e.line_count OR coalesce(s.debits, 0) <> e.total_minor);
  IF FOUND THEN
    PERFORM ledger_refuse(
      format('entry %s does not balance or its header differs: %s lines, sums %s / %s / %s',
             bad.id, bad.lines, bad.amount, bad.functional, bad.in_group), 'journal_balanced');
  END IF;
  -- What row-level foreign keys would say, once per distinct pair.
  SELECT d.entry_id AS id INTO bad FROM (
      SELECT DISTINCT ON (e.entity_id, l.account_id) e.entity_id, l.account_id, l.entry_id
      FROM ledger_journalline l JOIN ledger_journalentry e ON e.id = l.entry_id WHERE l.entry_id = ANY (ids)) d
    WHERE NOT EXISTS (SELECT FROM ledger_account a
                      WHERE a.id = d.account_id AND (a.entity_id IS NULL OR a.entity_id = d.entity_id));
  IF FOUND THEN
    PERFORM ledger_refuse(format('entry %s has a line on an account that is not its entity''s', bad.id),
                          'journal_accounts');
  END IF;
END $$;

-- A mirror takes back all of its original and nothing else, on the same accounts, and not before it.
CREATE FUNCTION ledger_check_mirrors(ids uuid[]) RETURNS void LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE bad record;
BEGIN
  SELECT m.id, taken.number INTO bad FROM ledger_journalentry m JOIN ledger_journalentry taken ON taken.id = m.reverses_id
    WHERE m.id = ANY (ids)
      AND (m.effective_on < taken.effective_on
           OR (m.functional_currency, m.group_currency, m.worth_minor, m.customer, m.business_document)
              IS DISTINCT FROM (taken.functional_currency, taken.group_currency, -taken.worth_minor, taken.customer,
                                taken.business_document)
           OR EXISTS (
             SELECT FROM (SELECT * FROM ledger_journalline l WHERE l.entry_id = taken.id) a
               FULL JOIN (SELECT * FROM ledger_journalline l WHERE l.entry_id = m.id) b USING (line)
             WHERE (a.account_id, a.amount_minor, a.functional_minor, a.group_minor, a.dimensions, a.customer)
                   IS DISTINCT FROM
                   (b.account_id, -b.amount_minor, -b.functional_minor, -b.group_minor, b.dimensions, b.customer)));
  IF FOUND THEN
    PERFORM ledger_refuse(format('entry %s is no mirror of %s: its lines negate that one''s, and its day is not before it',
                                 bad.id, bad.number), 'journal_mirrors');
  END IF;
END $$;

-- Takes the locked row of each series and accepts exactly the next numbers, in whatever order.
CREATE FUNCTION ledger_check_numbers(ids uuid[]) RETURNS void LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE part record; series record; fitting integer;
BEGIN
  FOR part IN SELECT e.entity_id, e.fiscal_year, e.journal, count(*) AS entries, min(e.functional_currency) AS currency,
                     max(e.functional_currency) AS other FROM ledger_journalentry e
              WHERE e.id = ANY (ids) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LOOP
    -- Once it has numbers it keeps its currency; until then it may have got another since the draft was written.
    IF NOT EXISTS (SELECT FROM ledger_legalentity n WHERE n.id = part.entity_id
                   AND n.functional_currency = part.currency AND part.currency = part.other) THEN
      PERFORM ledger_refuse(format('an entry in %s or %s is not in its entity''s currency', part.currency, part.other),
                            'journal_currency');
    END IF;
    UPDATE ledger_journalseries s SET last_number = s.last_number + part.entries
      WHERE s.entity_id = part.entity_id AND s.fiscal_year = part.fiscal_year AND s.journal = part.journal
      RETURNING s.prefix, s.last_number INTO series;
    IF FOUND THEN
      SELECT count(*) INTO fitting
        FROM generate_series(series.last_number - part.entries + 1, series.last_number) AS k(n)
        JOIN ledger_journalentry e ON e.number = series.prefix || lpad(k.n::text, 7, '0')
        WHERE e.id = ANY (ids) AND (e.entity_id, e.fiscal_year, e.journal)
              = (part.entity_id, part.fiscal_year, part.journal);
    END IF;
    IF NOT FOUND OR fitting <> part.entries THEN
      PERFORM ledger_refuse('out of number: entries take the next numbers of their series, without a gap',
                            'out_of_number');
    END IF;
  END LOOP;
END $$;

-- The period stays locked until the entries are committed, so nobody closes it under them.
CREATE FUNCTION ledger_check_periods(ids uuid[]) RETURNS void LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE bad record;
BEGIN
  PERFORM 1 FROM ledger_fiscalperiod
    WHERE id = ANY (ARRAY(SELECT DISTINCT e.period_id FROM ledger_journalentry e WHERE e.id = ANY (ids)))
    ORDER BY id FOR SHARE;
  SELECT e.id, p.subledger, p.name, p.state INTO bad
    FROM ledger_journalentry e LEFT JOIN ledger_fiscalperiod p ON p.id = e.period_id
    WHERE e.id = ANY (ids)
      AND (p.id IS NULL OR p.state = 'closed' OR (p.state = 'soft_closed' AND e.reverses_id IS NULL)
           OR (p.entity_id, p.subledger, p.fiscal_year) <> (e.entity_id, e.subledger, e.fiscal_year)
           OR e.effective_on < p.starts_on OR e.effective_on >= p.ends_on);
  IF FOUND THEN
    PERFORM ledger_refuse(format('entry %s does not belong into period %s %s, which is %s',
                                 bad.id, bad.subledger, bad.name, bad.state), 'journal_period');
  END IF;
END $$;

-- Ids go on as an array and plans are made afresh: the tables may have grown a thousandfold since the last one.
CREATE FUNCTION ledger_entries_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE bad record; ids uuid[]; made_by bigint[]; rules bigint[];
BEGIN
  -- A draft, too, is what it was written as: what it may be was asked as it came. Its number comes with ready.
  SELECT n.id, o.state INTO bad FROM new_rows n JOIN old_rows o USING (id)
    WHERE (
      (o.correlation_id, o.entity_id, o.journal, o.fiscal_year, o.event_id, o.event_type, o.rule_set,
       o.generation, o.rules_used, o.effective_on, o.booked_at, o.period_id, o.subledger, o.currency,
       o.functional_currency, o.group_currency, o.functional_rate, o.group_rate, o.customer, o.memo,
       o.business_document, o.key, o.line_count, o.total_minor, o.worth_minor, o.reverses_id, o.matched)
      IS DISTINCT FROM
      (n.correlation_id, n.entity_id, n.journal, n.fiscal_year, n.event_id, n.event_type, n.rule_set,
       n.generation, n.rules_used, n.effective_on, n.booked_at, n.period_id, n.subledger, n.currency,
       n.functional_currency, n.group_currency, n.functional_rate, n.group_rate, n.customer, n.memo,
       n.business_document, n.key, n.line_count, n.total_minor, n.worth_minor, n.reverses_id, n.matched)
      OR (o.state <> 'drafted' AND (o.number) IS DISTINCT FROM (n.number))
      -- Said once: the ERP's document, the day it was posted, what came instead.
      OR (o.posted_reference <> '' AND o.posted_reference <> n.posted_reference)
      OR (o.document_number <> '' AND o.document_number <> n.document_number)
      OR (o.posted_at IS NOT NULL AND o.posted_at IS DISTINCT FROM n.posted_at)
      OR (o.superseded_by_id IS NOT NULL AND o.superseded_by_id IS DISTINCT FROM n.superseded_by_id));
  IF FOUND THEN
    PERFORM ledger_refuse(format('entry %s is frozen: %s', bad.id, CASE bad.state WHEN 'drafted'
      THEN 'a draft stays as it was written, write another one' ELSE 'correct it by a mirror entry' END),
      'journal_frozen');
  END IF;

  -- The ERP's document comes with posted, what came instead with superseded.
  SELECT n.id, n.state INTO bad FROM new_rows n JOIN old_rows o USING (id)
    WHERE (n.state <> 'posted' AND (n.posted_reference, n.document_number, n.posted_at)
                                   IS DISTINCT FROM (o.posted_reference, o.document_number, o.posted_at))
      OR (n.state = 'posted' AND o.state <> 'posted' AND (n.posted_reference = '' OR n.posted_at IS NULL))
      OR (n.state <> 'superseded' AND n.superseded_by_id IS DISTINCT FROM o.superseded_by_id);
  IF FOUND THEN
    PERFORM ledger_refuse(format('entry %s is %s: what became of it does not fit', bad.id, bad.state), 'journal_moves');
  END IF;
  ids := ARRAY(SELECT n.id FROM new_rows n JOIN old_rows o USING (id)
               WHERE n.state = 'reversed' AND o.state <> 'reversed');
  IF cardinality(ids) > 0 THEN
    SELECT i.id INTO bad FROM unnest(ids) AS i(id) WHERE NOT EXISTS (
      SELECT FROM ledger_journalentry m WHERE m.reverses_id = i.id AND m.state = 'posted');
    IF FOUND THEN
      PERFORM ledger_refuse(format('entry %s has no mirror entry that is posted', bad.id), 'journal_moves');
    END IF;
  END IF;

  ids := ARRAY(SELECT n.id FROM new_rows n JOIN old_rows o USING (id) WHERE o.state = 'drafted' AND n.state = 'ready');
  IF cardinality(ids) = 0 THEN
    RETURN NULL;
  END IF;
  PERFORM ledger_take_turn(false);
  PERFORM ledger_check_balance(ids);
  IF EXISTS (SELECT FROM new_rows n WHERE n.reverses_id IS NOT NULL) THEN
    PERFORM ledger_check_mirrors(ids);
  END IF;
  PERFORM ledger_check_periods(ids);
  PERFORM ledger_check_numbers(ids);
  made_by := ARRAY(SELECT DISTINCT l.rule_line_id FROM ledger_journalline l
                   WHERE l.entry_id = ANY (ids) AND l.rule_line_id IS NOT NULL);
  rules := ARRAY(SELECT r.id FROM ledger_postingrule r WHERE r.used_at IS NULL AND r.id IN (
    SELECT rl.rule_id FROM ledger_postingruleline rl WHERE rl.id = ANY (made_by)) ORDER BY r.id FOR UPDATE);
  IF cardinality(made_by) <> (SELECT count(*) FROM ledger_postingruleline rl WHERE rl.id = ANY (made_by)) THEN
    PERFORM ledger_refuse('an entry has a line of a posting rule''s line that is gone', 'journal_rules');
  END IF;
  IF cardinality(rules) > 0 THEN
    UPDATE ledger_postingrule SET used_at = clock_timestamp() WHERE id = ANY (rules) AND used_at IS NULL;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_journalentry_updated AFTER UPDATE ON ledger_journalentry
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_updated();
