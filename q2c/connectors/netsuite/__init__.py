"""Oracle NetSuite as a general ledger: SuiteTalk REST records and SuiteQL."""
