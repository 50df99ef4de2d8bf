DROP TRIGGER q2c_journal_left_books ON ledger_journalentry;
DROP FUNCTION q2c_invoice_left_books();
UPDATE q2c_invoice SET reversed_at = NULL WHERE reversed_at IS NOT NULL;
CREATE OR REPLACE FUNCTION q2c_tally_invoice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor)
      SELECT 'invoice', state, entity, currency, (recorded_at AT TIME ZONE 'UTC')::date, count(*),
             sum(total_minor), sum(least(total_minor, 0))
      FROM new_rows GROUP BY 2, 3, 4, 5;
  ELSE
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor)
      SELECT 'invoice', state, entity, currency, (recorded_at AT TIME ZONE 'UTC')::date, sum(n),
             sum(n * total_minor), sum(n * least(total_minor, 0))
      FROM (SELECT 1 AS n, state, entity, currency, recorded_at, total_minor FROM new_rows UNION ALL
            SELECT -1, state, entity, currency, recorded_at, total_minor FROM old_rows) AS changed
      GROUP BY 2, 3, 4, 5 HAVING sum(n) <> 0 OR sum(n * total_minor) <> 0 OR sum(n * least(total_minor, 0)) <> 0;
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION q2c_tally_journal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor)
      SELECT 'journal', n.state, coalesce(e.code, ''), n.currency, n.made_on, n.records, n.amount_minor, n.credit_minor
      FROM (SELECT state, entity_id, currency, (booked_at AT TIME ZONE 'UTC')::date AS made_on, count(*) AS records,
                   sum(worth) AS amount_minor, sum(least(worth, 0)) AS credit_minor
            FROM (SELECT state, entity_id, currency, booked_at, q2c_worth(reverses_id, worth_minor) AS worth
                  FROM new_rows) AS made
            GROUP BY 1, 2, 3, 4) n
      LEFT JOIN ledger_legalentity e ON e.id = n.entity_id;
  ELSE
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor)
      SELECT 'journal', n.state, coalesce(e.code, ''), n.currency, n.made_on, n.records, n.amount_minor, n.credit_minor
      FROM (SELECT state, entity_id, currency, (booked_at AT TIME ZONE 'UTC')::date AS made_on, sum(n) AS records,
                   sum(n * worth) AS amount_minor, sum(n * least(worth, 0)) AS credit_minor
            FROM (SELECT 1 AS n, state, entity_id, currency, booked_at,
                         q2c_worth(reverses_id, worth_minor) AS worth FROM new_rows UNION ALL
                  SELECT -1, state, entity_id, currency, booked_at,
                         q2c_worth(reverses_id, worth_minor) FROM old_rows) AS changed
            GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0 OR sum(n * worth) <> 0 OR sum(n * least(worth, 0)) <> 0) n
      LEFT JOIN ledger_legalentity e ON e.id = n.entity_id;
  END IF;
  RETURN NULL;
END $$;
