"""A replay knows what of its worth are differences to billing, which are no credits."""

from django.db import migrations, models

# Of what could be sent when the choice was frozen, as `totals` is: not of what was left out from the first.
_TOLD = """
UPDATE exceptions_replaybatch b SET differences = d.told, credits = d.credits FROM (
  SELECT batch_id, jsonb_object_agg(currency, jsonb_build_array(more, less)) FILTER (WHERE more <> 0 OR less <> 0) AS told,
         coalesce(jsonb_object_agg(currency, credited) FILTER (WHERE credited <> 0), '{}') AS credits
  FROM (
    SELECT i.batch_id, i.currency, sum(greatest(i.amount_minor, 0)) FILTER (WHERE is_one) AS more,
           sum(least(i.amount_minor, 0)) FILTER (WHERE is_one) AS less,
           coalesce(sum(least(i.amount_minor, 0)) FILTER (WHERE NOT is_one), 0) AS credited
    FROM exceptions_replayitem i JOIN exceptions_case c ON c.id = i.case_id,
      LATERAL (SELECT c.reason IN ('invoice_changed', 'invoice_taken_back') AS is_one) AS asked
    WHERE i.amount_minor <> 0 AND i.currency <> ''
      AND NOT (i.outcome = 'skipped' AND (i.text LIKE 'Nothing to replay:%' OR i.text LIKE 'It is %'))
    GROUP BY 1, 2) AS sums
  GROUP BY 1) AS d
WHERE d.batch_id = b.id AND d.told IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0018_unreadable_documents_are_found")]

    operations = [
        migrations.AddField("replaybatch", "differences", models.JSONField(default=dict, blank=True)),
        migrations.RunSQL(_TOLD, migrations.RunSQL.noop),
    ]
