-- Journals are worth what their documents come to: a credit takes away, as it does among the invoices.
ALTER TABLE ledger_journalentry DISABLE TRIGGER USER;
WITH RECURSIVE chain(id, root, turns) AS (
  SELECT id, id, 0 FROM ledger_journalentry WHERE reverses_id IS NULL
  UNION ALL SELECT m.id, c.root, c.turns + 1 FROM chain c JOIN ledger_journalentry m ON m.reverses_id = c.id)
UPDATE ledger_journalentry j
SET worth_minor = coalesce((e.payload ->> 'total_minor')::bigint, r.total_minor)
                  * CASE WHEN c.turns % 2 = 0 THEN 1 ELSE -1 END
FROM chain c JOIN ledger_journalentry r ON r.id = c.root
LEFT JOIN q2c_event e ON e.id = r.event_id AND e.type = 'InvoiceIssued'
WHERE j.id = c.id;
ALTER TABLE ledger_journalentry ENABLE TRIGGER USER;
CREATE OR REPLACE FUNCTION q2c_tally_journal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'journal', n.state, coalesce(e.code, ''), n.currency, n.made_on, n.records, n.amount_minor
      FROM (SELECT state, entity_id, currency, (booked_at AT TIME ZONE 'UTC')::date AS made_on, count(*) AS records,
                   sum(q2c_worth(reverses_id, worth_minor)) AS amount_minor
            FROM new_rows GROUP BY 1, 2, 3, 4) n
      LEFT JOIN ledger_legalentity e ON e.id = n.entity_id;
  ELSE
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'journal', n.state, coalesce(e.code, ''), n.currency, n.made_on, n.records, n.amount_minor
      FROM (SELECT state, entity_id, currency, (booked_at AT TIME ZONE 'UTC')::date AS made_on, sum(n) AS records,
                   sum(n * worth) AS amount_minor
            FROM (SELECT 1 AS n, state, entity_id, currency, booked_at,
                         q2c_worth(reverses_id, worth_minor) AS worth FROM new_rows UNION ALL
                  SELECT -1, state, entity_id, currency, booked_at,
                         q2c_worth(reverses_id, worth_minor) FROM old_rows) AS changed
            GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0 OR sum(n * worth) <> 0) n
      LEFT JOIN ledger_legalentity e ON e.id = n.entity_id;
  END IF;
  RETURN NULL;
END $$;
-- What is there already.
INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
  SELECT 'journal', j.state, e.code, j.currency, (j.booked_at AT TIME ZONE 'UTC')::date, 0,
         sum(q2c_worth(j.reverses_id, j.worth_minor) - q2c_worth(j.reverses_id, j.total_minor))
  FROM ledger_journalentry j JOIN ledger_legalentity e ON e.id = j.entity_id GROUP BY 2, 3, 4, 5
  HAVING sum(q2c_worth(j.reverses_id, j.worth_minor) - q2c_worth(j.reverses_id, j.total_minor)) <> 0;
