CREATE OR REPLACE FUNCTION q2c_tally_journal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'journal', n.state, coalesce(e.code, ''), n.currency, n.made_on, n.records, n.amount_minor
      FROM (SELECT state, entity_id, currency, (booked_at AT TIME ZONE 'UTC')::date AS made_on, count(*) AS records,
                   sum(q2c_worth(reverses_id, total_minor)) AS amount_minor
            FROM new_rows GROUP BY 1, 2, 3, 4) n
      LEFT JOIN ledger_legalentity e ON e.id = n.entity_id;
  ELSE
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'journal', n.state, coalesce(e.code, ''), n.currency, n.made_on, n.records, n.amount_minor
      FROM (SELECT state, entity_id, currency, (booked_at AT TIME ZONE 'UTC')::date AS made_on, sum(n) AS records,
                   sum(n * total_minor) AS amount_minor
            FROM (SELECT 1 AS n, state, entity_id, currency, booked_at,
                         q2c_worth(reverses_id, total_minor) AS total_minor FROM new_rows UNION ALL
                  SELECT -1, state, entity_id, currency, booked_at,
                         q2c_worth(reverses_id, total_minor) FROM old_rows) AS changed
            GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0 OR sum(n * total_minor) <> 0) n
      LEFT JOIN ledger_legalentity e ON e.id = n.entity_id;
  END IF;
  RETURN NULL;
END $$;
INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
  SELECT 'journal', j.state, e.code, j.currency, (j.booked_at AT TIME ZONE 'UTC')::date, 0,
         sum(q2c_worth(j.reverses_id, j.total_minor) - q2c_worth(j.reverses_id, j.worth_minor))
  FROM ledger_journalentry j JOIN ledger_legalentity e ON e.id = j.entity_id GROUP BY 2, 3, 4, 5;
