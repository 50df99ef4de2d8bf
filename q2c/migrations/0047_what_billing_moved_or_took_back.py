"""A case of what billing changed or took back stands in the period that books it, worth what the books would change by."""

from django.db import migrations

# Those that wait for somebody; what has ended stays as it was told. As q2c/stages/invoice_again.py tells it since.
CHANGED = """
WITH seen AS (
  SELECT c.id, i.entity, i.total_minor, i.currency, i.issued_on, s.amount_minor AS now_minor,
    s.currency AS now_currency, d.now_on, booked.name AS booked_in,
    CASE WHEN d.now_on = i.issued_on THEN booked.name ELSE coalesce(there.name, to_char(d.now_on, 'YYYY-MM')) END AS now_in
  FROM exceptions_case c JOIN q2c_step s ON s.id = c.step_id JOIN q2c_event e ON e.id = s.event_id
  CROSS JOIN LATERAL (SELECT (e.payload ->> 'issued_on')::date AS now_on) d
  JOIN q2c_invoice i ON i.source = e.source AND i.billing_reference = e.payload ->> 'billing_reference'
  CROSS JOIN LATERAL (
    SELECT p.name FROM ledger_journalentry j JOIN ledger_fiscalperiod p ON p.id = j.period_id
    WHERE j.event_id = i.event_id AND j.reverses_id IS NULL AND j.state <> 'superseded' ORDER BY j.id DESC LIMIT 1) booked
  LEFT JOIN ledger_legalentity n ON n.code = s.entity
  LEFT JOIN ledger_fiscalperiod there ON there.entity_id = n.id AND there.subledger = 'receivables'
    AND there.starts_on <= d.now_on AND there.ends_on > d.now_on
  WHERE c.reason = 'invoice_changed' AND c.resolved_at IS NULL AND i.state <> 'voided' AND s.amount_minor IS NOT NULL
    AND c.context -> 'findings' -> 0 IS NOT NULL
)
UPDATE exceptions_case c SET entity = w.entity, period = w.booked_in,
  amount_minor = CASE WHEN w.now_in <> w.booked_in THEN -w.total_minor
    WHEN w.currency = w.now_currency THEN w.now_minor - w.total_minor END,
  currency = CASE WHEN w.now_in <> w.booked_in THEN w.currency ELSE w.now_currency END,
  context = jsonb_set(c.context, '{findings,0,differs}', jsonb_build_object(
    'booked', jsonb_build_object('minor', w.total_minor, 'currency', w.currency),
    'now', jsonb_build_object('minor', w.now_minor, 'currency', w.now_currency), 'entity', w.entity,
    'booked_in', w.booked_in, 'now_entity', '', 'now_in', w.now_in, 'booked_on', w.issued_on,
    'now_on', w.now_on, 'is_gone', false))
FROM seen w WHERE c.id = w.id
"""
TAKEN_BACK = """
UPDATE exceptions_case c SET amount_minor = -i.total_minor, currency = i.currency,
  context = c.context || jsonb_build_object('findings', jsonb_build_array(jsonb_build_object(
    'reason', 'invoice_taken_back', 'text', c.text, 'pointer', c.field, 'differs', jsonb_build_object(
      'booked', jsonb_build_object('minor', i.total_minor, 'currency', i.currency),
      'now', jsonb_build_object('minor', 0, 'currency', i.currency), 'entity', i.entity,
      'booked_in', c.period, 'now_entity', '', 'now_in', c.period, 'booked_on', NULL, 'now_on', NULL, 'is_gone', true))))
FROM q2c_invoice i
WHERE c.code = 'cancelled_in_billing' AND c.resolved_at IS NULL AND c.source = i.source AND c.entity = i.entity
  AND c.business_key = i.number AND i.state <> 'voided'
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0046_reversed_invoices_left_the_books"), ("exceptions", "0015_what_comes_next")]

    operations = [migrations.RunSQL([CHANGED, TAKEN_BACK], migrations.RunSQL.noop)]
