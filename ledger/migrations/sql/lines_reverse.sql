DROP TRIGGER ledger_journalentry_kept ON ledger_journalentry;
DROP TRIGGER ledger_journalline_kept ON ledger_journalline;
DROP TRIGGER ledger_journalline_inserted ON ledger_journalline;
DROP FUNCTION ledger_lines_inserted();
