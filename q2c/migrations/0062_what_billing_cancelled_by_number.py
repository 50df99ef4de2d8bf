"""What billing has taken back is known by legal entity and number, whoever tells of it."""

from django.db import migrations, models

import q2c.keys

# What is known of the time before: documents of billing whose newest version it took back.
FILL = """
WITH told AS (
  SELECT s.event_id AS event_id, s.finished_at AS at FROM q2c_step s
  WHERE s.stage IN ('record_invoice', 'post_journal') AND s.proof ? 'taken_back'
  UNION ALL SELECT c.event_id, t.at FROM exceptions_caseevent t JOIN exceptions_case c ON c.id = t.case_id
  WHERE t.kind = 'taken_back' AND c.event_id IS NOT NULL
  UNION ALL SELECT event_id, taken_back_at FROM q2c_invoice WHERE taken_back_at IS NOT NULL
), gone AS (
  SELECT CASE WHEN e.type = 'InvoiceIssued' THEN e.id ELSE e.causation_id END AS event_id, max(told.at) AS at
  FROM told JOIN q2c_event e ON e.id = told.event_id GROUP BY 1
)
INSERT INTO q2c_cancelledinvoice (id, source, reference, entity, number, cancelled_at, text)
SELECT DISTINCT ON (e.source, e.payload ->> 'billing_reference')
  gen_random_uuid(), e.source, e.payload ->> 'billing_reference', s.entity, s.business_key,
  coalesce(gone.at, e.occurred_at), 'it was taken back there'
FROM gone JOIN q2c_event e ON e.id = gone.event_id AND e.type = 'InvoiceIssued'
JOIN q2c_step s ON s.event_id = e.id AND s.stage = 'record_invoice'
WHERE e.source IN (SELECT name FROM q2c_connection WHERE service = 'billing')
  AND coalesce(e.payload ->> 'billing_reference', '') <> ''
  AND NOT EXISTS (SELECT FROM q2c_step n JOIN q2c_event f ON f.id = n.event_id
                  WHERE n.stage = 'record_invoice' AND n.order_key = s.order_key
                  AND (f.occurred_at, n.seq) > (e.occurred_at, s.seq))
ORDER BY e.source, e.payload ->> 'billing_reference', gone.at DESC
"""


class Migration(migrations.Migration):
    dependencies = [
        ("q2c", "0061_subscriptions_ended_in_billing"),
        ("exceptions", "0019_replays_tell_differences"),
    ]

    operations = [
        migrations.CreateModel(
            "CancelledInvoice",
            fields=[
                ("id", models.UUIDField(default=q2c.keys.new_id, editable=False, primary_key=True, serialize=False)),
                ("source", models.CharField(help_text="The billing connection", max_length=200)),
                ("reference", models.CharField(help_text="The document's own id there", max_length=200)),
                ("entity", models.CharField(max_length=20)),
                ("number", models.CharField(max_length=64)),
                ("cancelled_at", models.DateTimeField(help_text="When that was read")),
                ("text", models.TextField(help_text="What billing said of it")),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("source", "reference"), name="one_cancelled_invoice")
                ],
                "indexes": [models.Index(fields=["number", "entity"], name="cancelled_invoice_number")],
            },
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
