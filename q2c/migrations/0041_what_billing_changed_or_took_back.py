"""A case of an invoice that billing changed after it was booked is worth what differs; one taken back has its period."""

from django.db import migrations

# Those that wait for somebody; what has ended stays as it was told.
CHANGED = """
UPDATE exceptions_case c SET
  amount_minor = CASE WHEN i.currency = s.currency THEN s.amount_minor - i.total_minor END,
  context = jsonb_set(c.context, '{findings,0,differs}', jsonb_build_object(
    'booked', jsonb_build_object('minor', i.total_minor, 'currency', i.currency),
    'now', jsonb_build_object('minor', s.amount_minor, 'currency', s.currency)))
FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
JOIN q2c_invoice i ON i.source = e.source AND i.billing_reference = e.payload ->> 'billing_reference'
WHERE c.step_id = s.id AND c.reason = 'invoice_changed' AND c.resolved_at IS NULL AND i.state <> 'voided'
  AND s.amount_minor IS NOT NULL AND c.context -> 'findings' -> 0 IS NOT NULL
"""
# By the journal that books it.
TAKEN_BACK = """
UPDATE exceptions_case c SET reason = 'invoice_taken_back', period = p.name
FROM q2c_invoice i JOIN ledger_journalentry e ON e.event_id = i.event_id AND e.reverses_id IS NULL
JOIN ledger_fiscalperiod p ON p.id = e.period_id
WHERE c.code = 'cancelled_in_billing' AND c.resolved_at IS NULL AND c.source = i.source AND c.business_key = i.number
  AND i.state <> 'voided' AND e.state <> 'superseded'
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0040_credits_stand_apart"), ("exceptions", "0011_credits_stand_apart"), ("ledger", "0001_books")]

    operations = [migrations.RunSQL([CHANGED, TAKEN_BACK], migrations.RunSQL.noop)]
