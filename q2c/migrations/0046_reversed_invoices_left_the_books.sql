-- An invoice whose journal was reversed stands in no books: its list counts it as worth nothing, as that of journals
-- does. The mirror entries that take something back are counted beside what stands.
CREATE OR REPLACE FUNCTION q2c_tally_invoice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor)
      SELECT 'invoice', state, entity, currency, (recorded_at AT TIME ZONE 'UTC')::date, count(*),
             sum(worth), sum(least(worth, 0))
      FROM (SELECT *, CASE WHEN reversed_at IS NULL THEN total_minor ELSE 0 END AS worth FROM new_rows) AS made
      GROUP BY 2, 3, 4, 5;
  ELSE
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor)
      SELECT 'invoice', state, entity, currency, (recorded_at AT TIME ZONE 'UTC')::date, sum(n),
             sum(n * worth), sum(n * least(worth, 0))
      FROM (SELECT 1 AS n, state, entity, currency, recorded_at,
                   CASE WHEN reversed_at IS NULL THEN total_minor ELSE 0 END AS worth FROM new_rows UNION ALL
            SELECT -1, state, entity, currency, recorded_at,
                   CASE WHEN reversed_at IS NULL THEN total_minor ELSE 0 END FROM old_rows) AS changed
      GROUP BY 2, 3, 4, 5 HAVING sum(n) <> 0 OR sum(n * worth) <> 0 OR sum(n * least(worth, 0)) <> 0;
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION q2c_tally_journal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor, mirror_minor)
      SELECT 'journal', n.state, coalesce(e.code, ''), n.currency, n.made_on, n.records, n.amount_minor, n.credit_minor,
             n.mirror_minor
      FROM (SELECT state, entity_id, currency, (booked_at AT TIME ZONE 'UTC')::date AS made_on, count(*) AS records,
                   sum(worth) AS amount_minor, sum(least(worth, 0)) AS credit_minor,
                   sum(worth_minor - worth) AS mirror_minor
            FROM (SELECT state, entity_id, currency, booked_at, worth_minor,
                         q2c_worth(reverses_id, worth_minor) AS worth
                  FROM new_rows) AS made
            GROUP BY 1, 2, 3, 4) n
      LEFT JOIN ledger_legalentity e ON e.id = n.entity_id;
  ELSE
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor, mirror_minor)
      SELECT 'journal', n.state, coalesce(e.code, ''), n.currency, n.made_on, n.records, n.amount_minor, n.credit_minor,
             n.mirror_minor
      FROM (SELECT state, entity_id, currency, (booked_at AT TIME ZONE 'UTC')::date AS made_on, sum(n) AS records,
                   sum(n * worth) AS amount_minor, sum(n * least(worth, 0)) AS credit_minor,
                   sum(n * (worth_minor - worth)) AS mirror_minor
            FROM (SELECT 1 AS n, state, entity_id, currency, booked_at, worth_minor,
                         q2c_worth(reverses_id, worth_minor) AS worth FROM new_rows UNION ALL
                  SELECT -1, state, entity_id, currency, booked_at, worth_minor,
                         q2c_worth(reverses_id, worth_minor) FROM old_rows) AS changed
            GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0 OR sum(n * worth) <> 0 OR sum(n * least(worth, 0)) <> 0
              OR sum(n * (worth_minor - worth)) <> 0) n
      LEFT JOIN ledger_legalentity e ON e.id = n.entity_id;
  END IF;
  RETURN NULL;
END $$;
-- Neither ledger nor q2c knows the other; the database sees both. `reversed_at` is when the mirror that took the
-- invoice out of the books was posted; a mirror that is reversed itself puts it back.
CREATE FUNCTION q2c_invoice_left_books() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM new_rows WHERE state = 'reversed') THEN
    RETURN NULL;
  END IF;
  WITH RECURSIVE up AS (
    SELECT n.event_id, n.reverses_id,
           (SELECT max(m.posted_at) FROM ledger_journalentry m WHERE m.reverses_id = n.id) AS at
    FROM new_rows n JOIN old_rows o ON o.id = n.id WHERE n.state = 'reversed' AND o.state <> 'reversed'
    UNION SELECT e.event_id, e.reverses_id, u.at FROM up u JOIN ledger_journalentry e ON e.id = u.reverses_id),
  told AS (
    SELECT event_id, ledger_taken_back(event_id) AS gone, max(at) AS at FROM up WHERE reverses_id IS NULL GROUP BY 1)
  UPDATE q2c_invoice i SET reversed_at = CASE WHEN t.gone THEN coalesce(t.at, now()) END
  FROM told t WHERE i.event_id = t.event_id AND (i.reversed_at IS NOT NULL) <> t.gone;
  RETURN NULL;
END $$;
CREATE TRIGGER q2c_journal_left_books AFTER UPDATE ON ledger_journalentry
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION q2c_invoice_left_books();
-- What is there already. The tally of invoices follows by its trigger.
WITH gone AS (
  SELECT e.event_id, max(m.posted_at) AS at FROM ledger_journalentry m JOIN ledger_journalentry e ON e.id = m.reverses_id
  WHERE m.reverses_id IS NOT NULL AND e.reverses_id IS NULL AND e.state = 'reversed' GROUP BY 1)
UPDATE q2c_invoice i SET reversed_at = coalesce(g.at, now()) FROM gone g
WHERE i.event_id = g.event_id AND i.reversed_at IS NULL AND ledger_taken_back(g.event_id);
INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor, mirror_minor)
  SELECT 'journal', j.state, e.code, j.currency, (j.booked_at AT TIME ZONE 'UTC')::date, 0, 0, 0,
         sum(j.worth_minor - q2c_worth(j.reverses_id, j.worth_minor))
  FROM ledger_journalentry j JOIN ledger_legalentity e ON e.id = j.entity_id WHERE j.reverses_id IS NOT NULL
  GROUP BY 2, 3, 4, 5 HAVING sum(j.worth_minor - q2c_worth(j.reverses_id, j.worth_minor)) <> 0;
