"""A deal of a sales platform has one order, whatever number it gives it; the versions of a deal are found by its id."""

from django.db import migrations, models
from django.db.models import Q

# Of a deal that was made two orders of, the one that stands has it: accepted first, and neither rejected nor cancelled.
DEALS = """
UPDATE q2c_order o SET deal = d.deal FROM (
  SELECT DISTINCT ON (deal) split_part(m.source, '/', 1) || ':' || split_part(m.source_id, ':', 1) AS deal, m.id
  FROM q2c_order m JOIN q2c_connection c ON c.service = 'crm' AND c.name = m.source
  WHERE split_part(m.source_id, ':', 1) <> ''
  ORDER BY deal, m.state IN ('rejected', 'cancelled'), m.accepted_at NULLS LAST, m.received_at, m.id
) d WHERE d.id = o.id
"""
KEYS = """
UPDATE q2c_step s SET order_key = 'deal:' || split_part(e.source, '/', 1) || ':' || split_part(e.source_id, ':', 1)
FROM q2c_event e JOIN q2c_connection c ON c.service = 'crm' AND c.name = e.source
WHERE s.stage = 'accept_order' AND e.id = s.event_id AND split_part(e.source_id, ':', 1) <> ''
  AND length(e.source) + length(split_part(e.source_id, ':', 1)) < 150
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0043_mirrors_in_a_circle")]

    operations = [
        migrations.AddField("order", "deal", models.CharField(max_length=400, blank=True, default="", db_default="")),
        migrations.RunSQL(DEALS, migrations.RunSQL.noop),
        migrations.AddConstraint(
            "order", models.UniqueConstraint(fields=["deal"], condition=~Q(deal=""), name="one_order_per_deal")
        ),
        migrations.RunSQL(KEYS, migrations.RunSQL.noop),
        migrations.AddIndex(
            "step",
            models.Index(fields=["order_key"], condition=Q(stage="accept_order"), name="step_of_deal"),
        ),
    ]
