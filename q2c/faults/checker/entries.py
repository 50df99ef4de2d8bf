"""Invoices ↔ journal entries: one that lives for each invoice and rule set, with its day and sums; and its mirrors."""

from __future__ import annotations

from itertools import groupby

from q2c.faults.checker.findings import Found
from q2c.faults.checker.reading import Databases, Row, differing, rows

# A decision of two people to book a late fact on another day comes before the document's own.
_INVOICES = """
SELECT i.id, i.number, i.state, i.entity, i.currency, i.net_minor, i.tax_minor, i.total_minor, i.correlation_id,
  coalesce(r.effective_on, i.issued_on) AS booked_on, coalesce(n.something, 0) AS something, e.id AS entry,
  e.number AS entry_number, e.state AS entry_state, e.rule_set, e.effective_on, e.currency AS entry_currency,
  e.business_document, le.code AS entry_entity, s.receivable, s.tax
FROM q2c_invoice i
LEFT JOIN ledger_journalentry e ON e.event_id = i.event_id AND e.event_type = 'InvoiceIssued'
  AND e.reverses_id IS NULL AND e.state <> 'superseded'
LEFT JOIN ledger_legalentity le ON le.id = e.entity_id
LEFT JOIN (SELECT DISTINCT ON (event_id) event_id, effective_on FROM ledger_redating ORDER BY event_id, id DESC) r
  ON r.event_id = i.event_id
LEFT JOIN (SELECT invoice_id, sum(abs(net_minor) + abs(tax_minor)) AS something FROM q2c_invoiceline GROUP BY 1) n
  ON n.invoice_id = i.id
LEFT JOIN (SELECT l.entry_id,
    coalesce(sum(l.amount_minor) FILTER (WHERE split_part(a.role, ':', 1) = 'accounts_receivable'), 0) AS receivable,
    coalesce(sum(l.amount_minor) FILTER (WHERE split_part(a.role, ':', 1) = 'tax_payable'), 0) AS tax
  FROM ledger_journalline l JOIN ledger_account a ON a.id = l.account_id GROUP BY 1) s ON s.entry_id = e.id
WHERE i.state <> 'voided' ORDER BY i.id
"""
_ORPHANS = """
SELECT e.number, e.state, e.business_document, e.correlation_id FROM ledger_journalentry e
WHERE e.event_type = 'InvoiceIssued' AND e.reverses_id IS NULL AND e.state NOT IN ('superseded', 'drafted')
  AND NOT EXISTS (SELECT FROM q2c_invoice i WHERE i.event_id = e.event_id AND i.state <> 'voided')
"""
# A mirror takes back each account and each amount of what it mirrors, once it is posted.
_MIRRORS = """
SELECT m.number, m.state, o.number AS original, o.state AS original_state, m.correlation_id, (
  SELECT string_agg(d.account_id || ': ' || d.amount, ', ') FROM (
    SELECT l.account_id, sum(l.amount_minor) AS amount FROM ledger_journalline l
    WHERE l.entry_id IN (m.id, o.id) GROUP BY 1
    HAVING sum(l.amount_minor) <> 0 OR sum(l.functional_minor) <> 0 OR sum(l.group_minor) <> 0) d) AS left
FROM ledger_journalentry m JOIN ledger_journalentry o ON o.id = m.reverses_id WHERE m.state <> 'superseded'
"""
_REVERSED = """
SELECT o.number, o.correlation_id, count(m.id) AS mirrors FROM ledger_journalentry o
LEFT JOIN ledger_journalentry m ON m.reverses_id = o.id AND m.state IN ('posted', 'reversed')
WHERE o.state = 'reversed' OR m.id IS NOT NULL GROUP BY o.id
HAVING count(m.id) <> CASE WHEN o.state = 'reversed' THEN 1 ELSE 0 END
"""


def check(databases: Databases, found: Found) -> None:
    for _, group in groupby(rows(databases.ours, _INVOICES), key=lambda row: row.id):
        found.count("invoices booked")
        _one(list(group), found)
    for row in rows(databases.ours, _ORPHANS):
        text = f"Entry {row.number} ({row.business_document}) is {row.state}, and its invoice is not there"
        found.add("orphan_entry", text, row.correlation_id)
    for row in rows(databases.ours, _MIRRORS):
        found.count("mirror entries")
        if row.left:
            text = f"Entry {row.number} mirrors {row.original}, and leaves of it, by account: {row.left}"
            found.add("mirror_differs", text, row.correlation_id)
    for row in rows(databases.ours, _REVERSED):
        text = f"Entry {row.number} and its {row.mirrors} posted mirrors do not go together with its state"
        found.add("mirror_differs", text, row.correlation_id)


def _one(entries: list[Row], found: Found) -> None:
    invoice = entries[0]
    if invoice.entry is None:
        if invoice.something:
            text = f"Invoice {invoice.number} of {invoice.entity} is {invoice.state}, and there is no entry of it"
            found.add("lost_entry", text, invoice.number)
        return
    for rule_set, group in groupby(sorted(entries, key=lambda row: row.rule_set), key=lambda row: row.rule_set):
        numbers = [str(row.entry_number) for row in group]
        if len(numbers) > 1:
            text = f"Invoice {invoice.number} has {len(numbers)} {rule_set} entries: {', '.join(sorted(numbers))}"
            found.add("double_entry", text, invoice.number)
    for row in entries:
        for text in _differences(row):
            found.add("entry_differs", f"Invoice {row.number}, entry {row.entry_number}: {text}", row.number)


def _differences(row: Row) -> list[str]:
    """Here is the invoice, there its entry."""
    different = differing(
        {
            "entity": (row.entity, row.entry_entity),
            "currency": (row.currency, row.entry_currency),
            "day": (row.booked_on, row.effective_on),
            "document": (f"invoice:{row.number}", row.business_document),
            "receivable in minor units": (row.total_minor, row.receivable),
            "tax in minor units": (-row.tax_minor, row.tax),
        }
    )
    if (row.state == "recorded") == (row.entry_state in ("posted", "reversed")):
        different.append(f"it is {row.state} here and {row.entry_state} there")
    return different
