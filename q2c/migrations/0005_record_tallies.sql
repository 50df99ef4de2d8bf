-- Counts of the flow's records, appended as differences by each statement that makes or moves them. Nothing is updated
-- here, so two transactions never wait for each other over a counter; whoever reads, sums (q2c/models/tally.py).
CREATE FUNCTION q2c_tally_order() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'order', state, contract_entity, currency, (received_at AT TIME ZONE 'UTC')::date, count(*),
             sum(total_minor) FROM new_rows GROUP BY 2, 3, 4, 5;
  ELSE
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'order', state, contract_entity, currency, (received_at AT TIME ZONE 'UTC')::date, sum(n),
             sum(n * total_minor)
      FROM (SELECT 1 AS n, state, contract_entity, currency, received_at, total_minor FROM new_rows UNION ALL
            SELECT -1, state, contract_entity, currency, received_at, total_minor FROM old_rows) AS changed
      GROUP BY 2, 3, 4, 5 HAVING sum(n) <> 0 OR sum(n * total_minor) <> 0;
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION q2c_tally_subscription() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'subscription', state, entity, currency, (provisioned_at AT TIME ZONE 'UTC')::date, count(*), 0
      FROM new_rows GROUP BY 2, 3, 4, 5;
  ELSE
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'subscription', state, entity, currency, (provisioned_at AT TIME ZONE 'UTC')::date, sum(n), 0
      FROM (SELECT 1 AS n, state, entity, currency, provisioned_at FROM new_rows UNION ALL
            SELECT -1, state, entity, currency, provisioned_at FROM old_rows) AS changed
      GROUP BY 2, 3, 4, 5 HAVING sum(n) <> 0;
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION q2c_tally_invoice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'invoice', state, entity, currency, (recorded_at AT TIME ZONE 'UTC')::date, count(*), sum(total_minor)
      FROM new_rows GROUP BY 2, 3, 4, 5;
  ELSE
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'invoice', state, entity, currency, (recorded_at AT TIME ZONE 'UTC')::date, sum(n), sum(n * total_minor)
      FROM (SELECT 1 AS n, state, entity, currency, recorded_at, total_minor FROM new_rows UNION ALL
            SELECT -1, state, entity, currency, recorded_at, total_minor FROM old_rows) AS changed
      GROUP BY 2, 3, 4, 5 HAVING sum(n) <> 0 OR sum(n * total_minor) <> 0;
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION q2c_tally_journal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'journal', n.state, coalesce(e.code, ''), n.currency, n.made_on, n.records, n.amount_minor
      FROM (SELECT state, entity_id, currency, (booked_at AT TIME ZONE 'UTC')::date AS made_on, count(*) AS records,
                   sum(total_minor) AS amount_minor FROM new_rows GROUP BY 1, 2, 3, 4) n
      LEFT JOIN ledger_legalentity e ON e.id = n.entity_id;
  ELSE
    INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
      SELECT 'journal', n.state, coalesce(e.code, ''), n.currency, n.made_on, n.records, n.amount_minor
      FROM (SELECT state, entity_id, currency, (booked_at AT TIME ZONE 'UTC')::date AS made_on, sum(n) AS records,
                   sum(n * total_minor) AS amount_minor
            FROM (SELECT 1 AS n, state, entity_id, currency, booked_at, total_minor FROM new_rows UNION ALL
                  SELECT -1, state, entity_id, currency, booked_at, total_minor FROM old_rows) AS changed
            GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0 OR sum(n * total_minor) <> 0) n
      LEFT JOIN ledger_legalentity e ON e.id = n.entity_id;
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER q2c_order_tally_insert AFTER INSERT ON q2c_order
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION q2c_tally_order();
CREATE TRIGGER q2c_order_tally_update AFTER UPDATE ON q2c_order
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION q2c_tally_order();
CREATE TRIGGER q2c_subscription_tally_insert AFTER INSERT ON q2c_subscription
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION q2c_tally_subscription();
CREATE TRIGGER q2c_subscription_tally_update AFTER UPDATE ON q2c_subscription
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION q2c_tally_subscription();
CREATE TRIGGER q2c_invoice_tally_insert AFTER INSERT ON q2c_invoice
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION q2c_tally_invoice();
CREATE TRIGGER q2c_invoice_tally_update AFTER UPDATE ON q2c_invoice
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION q2c_tally_invoice();
CREATE TRIGGER q2c_journal_tally_insert AFTER INSERT ON ledger_journalentry
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION q2c_tally_journal();
CREATE TRIGGER q2c_journal_tally_update AFTER UPDATE ON ledger_journalentry
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION q2c_tally_journal();

-- What is there already.
INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor)
  SELECT 'order', state, contract_entity, currency, (received_at AT TIME ZONE 'UTC')::date, count(*), sum(total_minor)
  FROM q2c_order GROUP BY 2, 3, 4, 5
  UNION ALL SELECT 'subscription', state, entity, currency, (provisioned_at AT TIME ZONE 'UTC')::date, count(*), 0
  FROM q2c_subscription GROUP BY 2, 3, 4, 5
  UNION ALL SELECT 'invoice', state, entity, currency, (recorded_at AT TIME ZONE 'UTC')::date, count(*), sum(total_minor)
  FROM q2c_invoice GROUP BY 2, 3, 4, 5
  UNION ALL SELECT 'journal', j.state, e.code, j.currency, (j.booked_at AT TIME ZONE 'UTC')::date, count(*),
                   sum(j.total_minor)
  FROM ledger_journalentry j JOIN ledger_legalentity e ON e.id = j.entity_id GROUP BY 2, 3, 4, 5;
