DROP TRIGGER ledger_journalseries_kept ON ledger_journalseries;
DROP TRIGGER ledger_journalseries_guard ON ledger_journalseries;
DROP FUNCTION ledger_guard_series();
DROP FUNCTION ledger_series_prefix(text, integer, text);
