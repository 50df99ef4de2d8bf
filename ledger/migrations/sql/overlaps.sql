-- What may hold only once on any day. Equal dates make an empty range, which overlaps nothing: never in force.
CREATE EXTENSION IF NOT EXISTS btree_gist;

ALTER TABLE ledger_fiscalperiod ADD CONSTRAINT period_no_overlap EXCLUDE USING gist (
  entity_id WITH =, subledger WITH =, daterange(starts_on, ends_on) WITH &&);

ALTER TABLE ledger_account ADD CONSTRAINT account_role_once EXCLUDE USING gist (
  coalesce(entity_id, 0) WITH =, role WITH =, daterange(effective_from, effective_to) WITH &&)
  WHERE (role <> '');

ALTER TABLE ledger_dimensionrule ADD CONSTRAINT dimension_rule_once EXCLUDE USING gist (
  dimension_id WITH =, coalesce(account_id, 0) WITH =, account_type WITH =,
  daterange(effective_from, effective_to) WITH &&);

-- Two rules tie only when they match by the same columns with the same values: then neither is more specific.
ALTER TABLE ledger_postingrule ADD CONSTRAINT posting_rule_unambiguous EXCLUDE USING gist (
  rule_set WITH =, leg WITH =, coalesce(entity_id, 0) WITH =, event_type WITH =, product WITH =,
  revenue_treatment WITH =, kind WITH =, tax_code WITH =, currency WITH =,
  daterange(effective_from, effective_to) WITH &&);
