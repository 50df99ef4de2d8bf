"""An open case of what billing changed, and whose journal was reversed before it said so, tells what is left of it."""

from django.db import migrations

# As q2c/stages/restated.py tells it since: the last period in which the books and billing differ, and the others.
REVERSED = """
WITH RECURSIVE waiting AS (
  SELECT c.id AS c, i.id AS invoice, i.event_id, i.entity, i.issued_on, i.total_minor, i.currency, s.entity AS now_entity,
    s.amount_minor AS now_minor, s.currency AS now_currency, (e.payload ->> 'issued_on')::date AS now_on
  FROM exceptions_case c JOIN q2c_step s ON s.id = c.step_id JOIN q2c_event e ON e.id = s.event_id
  JOIN q2c_invoice i ON i.source = e.source AND i.billing_reference = e.payload ->> 'billing_reference'
  WHERE c.reason = 'invoice_changed' AND c.resolved_at IS NULL AND i.state <> 'voided' AND i.reversed_at IS NOT NULL
    AND s.amount_minor IS NOT NULL AND c.context -> 'findings' -> 0 IS NOT NULL
), chain AS (
  SELECT w.c, w.total_minor, j.id, j.entity_id, j.period_id, 0 AS turns FROM waiting w
  JOIN ledger_journalentry j ON j.event_id = w.event_id AND j.reverses_id IS NULL AND j.state <> 'superseded'
  UNION ALL
  SELECT n.c, n.total_minor, m.id, m.entity_id, m.period_id, n.turns + 1 FROM ledger_journalentry m
  JOIN chain n ON m.reverses_id = n.id WHERE m.state IN ('posted', 'reversed')
), booked AS (
  SELECT n.c, l.code AS entity, p.name AS period, n.turns, CASE WHEN n.turns % 2 = 0 THEN n.total_minor
    ELSE -n.total_minor END AS minor
  FROM chain n JOIN ledger_legalentity l ON l.id = n.entity_id JOIN ledger_fiscalperiod p ON p.id = n.period_id
), months AS (
  SELECT c, entity, period, minor AS booked, 0 AS billed FROM booked
  UNION ALL
  SELECT w.c, w.now_entity, CASE WHEN w.now_entity = w.entity AND w.now_on = w.issued_on THEN b.period
    ELSE coalesce(p.name, to_char(w.now_on, 'YYYY-MM')) END, 0, w.now_minor
  FROM waiting w JOIN booked b ON b.c = w.c AND b.turns = 0
  LEFT JOIN ledger_legalentity l ON l.code = w.now_entity
  LEFT JOIN ledger_fiscalperiod p ON p.entity_id = l.id AND p.subledger = 'receivables'
    AND p.starts_on <= w.now_on AND p.ends_on > w.now_on
), sides AS (
  SELECT m.c, m.entity, m.period, sum(m.booked)::bigint AS booked, sum(m.billed)::bigint AS billed
  FROM months m GROUP BY 1, 2, 3 HAVING sum(m.booked) <> 0 OR sum(m.billed) <> 0
), told AS (
  SELECT s.*, CASE WHEN s.billed = 0 THEN w.currency ELSE w.now_currency END AS currency,
    CASE WHEN s.billed = 0 OR s.booked = 0 OR w.currency = w.now_currency THEN s.billed - s.booked END AS minor
  FROM sides s JOIN waiting w ON w.c = s.c
), last AS (
  SELECT c, array_agg(jsonb_build_object('entity', entity, 'period', period, 'minor', minor, 'currency', currency,
    'booked', booked, 'billed', billed) ORDER BY period, billed <> 0, entity) AS turned
  FROM told WHERE minor IS DISTINCT FROM 0 GROUP BY 1
), first AS (SELECT c, turned[array_upper(turned, 1)] AS main, turned[:array_upper(turned, 1) - 1] AS others FROM last)
UPDATE exceptions_case c SET entity = f.main ->> 'entity', period = f.main ->> 'period',
  amount_minor = (f.main ->> 'minor')::bigint, currency = f.main ->> 'currency', text = t.text,
  context = jsonb_set(c.context, '{findings,0}', (c.context -> 'findings' -> 0) || jsonb_build_object(
    'text', t.text, 'remedy', 'Is the change to stand, have billing void it and issue it anew under another number. '
      'Reversed by mistake: reverse the reversal, which restores what was booked',
    'differs', (c.context -> 'findings' -> 0 -> 'differs') || jsonb_build_object(
      'booked', jsonb_build_object('minor', 0, 'currency', w.currency), 'is_reversed', true,
      'turned', to_jsonb(f.main || f.others))))
FROM first f JOIN waiting w ON w.c = f.c
CROSS JOIN LATERAL (SELECT regexp_replace(o.text, ' is booked( as invoice .*?)?, and was changed (in .*?|there) since: ',
  ' was booked\\1, and its journal was reversed: the books hold none of it. It was changed \\2 since it was booked: ')
  FROM exceptions_case o WHERE o.id = f.c) t(text)
WHERE c.id = f.c AND c.context -> 'findings' -> 0 -> 'differs' IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0050_orders_cancelled_in_part"), ("exceptions", "0018_unreadable_documents_are_found")]

    operations = [migrations.RunSQL(REVERSED, migrations.RunSQL.noop)]
