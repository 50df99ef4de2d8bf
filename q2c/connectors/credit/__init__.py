"""A credit service behind a small HTTP contract of our own: docs/connectors/credit.md is that contract."""
