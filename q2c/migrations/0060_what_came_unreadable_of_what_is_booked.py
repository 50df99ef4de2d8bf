"""An open case of a booked invoice that came again unreadable is worth what the books would change by."""

from django.db import migrations

# As q2c/engine/unread.py tells it since; what has ended stays as it was told.
TOLD = """
UPDATE exceptions_case c SET context = c.context || jsonb_build_object('total_minor', c.amount_minor),
  amount_minor = CASE WHEN c.currency = i.currency THEN c.amount_minor - i.total_minor END
FROM q2c_invoice i
WHERE c.step_id IS NULL AND c.raw_hash IS NOT NULL AND c.resolved_at IS NULL AND c.amount_minor IS NOT NULL
  AND c.code <> 'cancelled_in_billing' AND c.reason <> 'event_conflict' AND c.context ->> 'type' = 'InvoiceIssued'
  AND NOT c.context ? 'total_minor' AND i.source = coalesce(c.context ->> 'source', c.source)
  AND i.billing_reference = coalesce(c.context ->> 'reference', c.business_key)
  AND i.state <> 'voided' AND i.reversed_at IS NULL AND i.recorded_at <= c.opened_at
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0059_cases_without_advice"), ("exceptions", "0019_replays_tell_differences")]

    operations = [migrations.RunSQL(TOLD, migrations.RunSQL.noop)]
