-- Counts of cases, appended as differences by each statement that changes cases. Nothing is updated here, so two
-- transactions never wait for each other over a counter; whoever reads, sums.
CREATE FUNCTION exceptions_tally() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO exceptions_problemamount
        (problem_id, state, entity, period, currency, cases, amount_minor, first_at, last_at)
      SELECT problem_id, state, entity, period, currency, count(*), coalesce(sum(amount_minor), 0),
             min(opened_at), max(last_failed_at)
      FROM new_rows GROUP BY 1, 2, 3, 4, 5;
    INSERT INTO exceptions_facet
        (state, reason, owner_team, severity, entity, period, currency, cases, amount_minor)
      SELECT state, reason, owner_team_id, severity, entity, period, currency, count(*), coalesce(sum(amount_minor), 0)
      FROM new_rows GROUP BY 1, 2, 3, 4, 5, 6, 7;
  ELSE
    -- A failure that changes nothing but its instant still counts as seen.
    INSERT INTO exceptions_problemamount
        (problem_id, state, entity, period, currency, cases, amount_minor, first_at, last_at)
      SELECT problem_id, state, entity, period, currency, sum(n), coalesce(sum(n * amount_minor), 0),
             min(opened_at) FILTER (WHERE n = 1), max(last_failed_at) FILTER (WHERE n = 1)
      FROM (SELECT 1 AS n, * FROM new_rows UNION ALL SELECT -1, * FROM old_rows) AS changed
      GROUP BY 1, 2, 3, 4, 5
      HAVING sum(n) <> 0 OR sum(n * amount_minor) <> 0
          OR max(last_failed_at) FILTER (WHERE n = 1) > max(last_failed_at) FILTER (WHERE n = -1);
    INSERT INTO exceptions_facet
        (state, reason, owner_team, severity, entity, period, currency, cases, amount_minor)
      SELECT state, reason, owner_team_id, severity, entity, period, currency, sum(n), coalesce(sum(n * amount_minor), 0)
      FROM (SELECT 1 AS n, * FROM new_rows UNION ALL SELECT -1, * FROM old_rows) AS changed
      GROUP BY 1, 2, 3, 4, 5, 6, 7
      HAVING sum(n) <> 0 OR sum(n * amount_minor) <> 0;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER exceptions_case_tally_insert AFTER INSERT ON exceptions_case
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION exceptions_tally();
CREATE TRIGGER exceptions_case_tally_update AFTER UPDATE ON exceptions_case
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION exceptions_tally();

-- Which cases a batch replays is chosen while it is a dry run; afterwards none joins, leaves or changes its step.
CREATE FUNCTION exceptions_freeze_items() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF EXISTS (SELECT FROM old_rows) THEN
      RAISE EXCEPTION 'the cases of a replay are frozen: none is taken out'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'replay_items_frozen';
    END IF;
  ELSIF TG_OP = 'INSERT' THEN
    -- Who queues it at this moment waits, or is waited for.
    PERFORM FROM exceptions_replaybatch b WHERE b.id IN (SELECT n.batch_id FROM new_rows n) ORDER BY b.id FOR SHARE;
    IF EXISTS (SELECT FROM new_rows n JOIN exceptions_replaybatch b ON b.id = n.batch_id WHERE b.state <> 'dry_run') THEN
      RAISE EXCEPTION 'the cases of a replay are frozen once it is queued: none joins'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'replay_items_frozen';
    END IF;
  ELSIF EXISTS (
    SELECT FROM new_rows n LEFT JOIN old_rows o USING (id)
    WHERE (n.batch_id, n.ordinal, n.case_id, n.step_id, n.amount_minor, n.currency)
          IS DISTINCT FROM (o.batch_id, o.ordinal, o.case_id, o.step_id, o.amount_minor, o.currency)
  ) THEN
    RAISE EXCEPTION 'the cases of a replay are frozen: only what became of them is written'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'replay_items_frozen';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER exceptions_replayitem_frozen_insert AFTER INSERT ON exceptions_replayitem
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION exceptions_freeze_items();
CREATE TRIGGER exceptions_replayitem_frozen_update AFTER UPDATE ON exceptions_replayitem
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION exceptions_freeze_items();
CREATE TRIGGER exceptions_replayitem_frozen_delete AFTER DELETE ON exceptions_replayitem
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION exceptions_freeze_items();
