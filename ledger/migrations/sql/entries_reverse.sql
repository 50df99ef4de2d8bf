DROP TRIGGER ledger_journalentry_updated ON ledger_journalentry;
DROP FUNCTION ledger_entries_updated();
DROP FUNCTION ledger_check_periods(uuid[]);
DROP FUNCTION ledger_check_mirrors(uuid[]);
DROP FUNCTION ledger_check_numbers(uuid[]);
DROP FUNCTION ledger_check_balance(uuid[]);
DROP TRIGGER ledger_journalentry_inserted ON ledger_journalentry;
DROP FUNCTION ledger_entries_inserted();
DROP FUNCTION ledger_refuse(text, text);
