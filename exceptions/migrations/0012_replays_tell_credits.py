"""A replay knows what of its worth are credits, so that it nets none against charges."""

from django.db import migrations, models

# Of what could be sent when the choice was frozen, as `totals` is: not of what was left out from the first.
_TOLD = """
UPDATE exceptions_replaybatch b SET credits = c.credits FROM (
  SELECT batch_id, jsonb_object_agg(currency, minor) AS credits FROM (
    SELECT batch_id, currency, sum(amount_minor) AS minor FROM exceptions_replayitem
    WHERE amount_minor < 0 AND currency <> ''
      AND NOT (outcome = 'skipped' AND (text LIKE 'Nothing to replay:%' OR text LIKE 'It is %'))
    GROUP BY 1, 2) AS sums
  GROUP BY 1) AS c
WHERE c.batch_id = b.id
"""


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0011_credits_stand_apart")]

    operations = [
        migrations.AddField("replaybatch", "credits", models.JSONField(default=dict, blank=True)),
        migrations.RunSQL(_TOLD, migrations.RunSQL.noop),
    ]
