"""A case of an invoice that billing changed after it was booked is worth what differs, and says of what."""

from django.db import migrations

# Those that wait for somebody; what has ended stays as it was told.
OPEN = """
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


class Migration(migrations.Migration):
    dependencies = [("q2c", "0039_billing_has_it_no_more"), ("exceptions", "0011_credits_stand_apart")]

    operations = [migrations.RunSQL(OPEN, migrations.RunSQL.noop)]
