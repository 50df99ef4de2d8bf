ALTER TABLE ledger_postingrule DROP CONSTRAINT posting_rule_unambiguous;
ALTER TABLE ledger_dimensionrule DROP CONSTRAINT dimension_rule_once;
ALTER TABLE ledger_account DROP CONSTRAINT account_role_once;
ALTER TABLE ledger_fiscalperiod DROP CONSTRAINT period_no_overlap;
