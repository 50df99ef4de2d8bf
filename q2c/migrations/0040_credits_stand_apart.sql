-- Beside each difference of a sum, what of it is below zero. Subscriptions are worth nothing.
CREATE OR REPLACE FUNCTION q2c_tally_order() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor)
      SELECT 'order', state, contract_entity, currency, (received_at AT TIME ZONE 'UTC')::date, count(*),
             sum(total_minor), sum(least(total_minor, 0))
      FROM new_rows GROUP BY 2, 3, 4, 5;
  ELSE
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor)
      SELECT 'order', state, contract_entity, currency, (received_at AT TIME ZONE 'UTC')::date, sum(n),
             sum(n * total_minor), sum(n * least(total_minor, 0))
      FROM (SELECT 1 AS n, state, contract_entity, currency, received_at, total_minor FROM new_rows UNION ALL
            SELECT -1, state, contract_entity, currency, received_at, total_minor FROM old_rows) AS changed
      GROUP BY 2, 3, 4, 5 HAVING sum(n) <> 0 OR sum(n * total_minor) <> 0 OR sum(n * least(total_minor, 0)) <> 0;
  END IF;
  RETURN NULL;
END $$;
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
-- What is there already.
INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor)
  SELECT 'order', state, contract_entity, currency, (received_at AT TIME ZONE 'UTC')::date, 0, 0, sum(total_minor)
  FROM q2c_order WHERE total_minor < 0 GROUP BY 2, 3, 4, 5
  UNION ALL SELECT 'invoice', state, entity, currency, (recorded_at AT TIME ZONE 'UTC')::date, 0, 0, sum(total_minor)
  FROM q2c_invoice WHERE total_minor < 0 GROUP BY 2, 3, 4, 5
  UNION ALL SELECT 'journal', j.state, e.code, j.currency, (j.booked_at AT TIME ZONE 'UTC')::date, 0, 0,
                   sum(q2c_worth(j.reverses_id, j.worth_minor))
  FROM ledger_journalentry j JOIN ledger_legalentity e ON e.id = j.entity_id
  WHERE q2c_worth(j.reverses_id, j.worth_minor) < 0 GROUP BY 2, 3, 4, 5;
