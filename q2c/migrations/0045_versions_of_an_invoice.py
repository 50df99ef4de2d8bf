"""The versions of an invoice are found by its reference at its source, whatever number they have."""

from django.db import migrations, models
from django.db.models import Q

KEYS = """
UPDATE q2c_step s SET order_key = 'invoice:' || e.source || ':' || (e.payload ->> 'billing_reference')
FROM q2c_event e
WHERE s.stage = 'record_invoice' AND e.id = s.event_id
  AND length(e.source) + length(e.payload ->> 'billing_reference') <= 151
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0044_one_order_per_deal")]

    operations = [
        migrations.RunSQL(KEYS, migrations.RunSQL.noop),
        migrations.RemoveIndex("step", "step_of_deal"),
        migrations.AddIndex(
            "step",
            models.Index(
                fields=["order_key"], condition=Q(stage__in=["accept_order", "record_invoice"]), name="step_versions"
            ),
        ),
    ]
