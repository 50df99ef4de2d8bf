"""A case of what a platform gave and could not be read names the record there: its id without that of the version."""

from django.db import migrations

# Those that wait for somebody, and those given up: what came right is told already.
NAMED = """
UPDATE exceptions_case c SET context = c.context || jsonb_build_object('reference', split_part(c.business_key, ':', 1))
FROM q2c_connection n
WHERE n.name = c.source AND n.service IN ('billing', 'crm') AND c.raw_hash IS NOT NULL AND c.state <> 'resolved'
  AND c.context ->> 'id' = c.business_key AND c.business_key LIKE '%:%' AND c.context ->> 'reference' IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("q2c", "0047_what_billing_moved_or_took_back"),
        ("exceptions", "0018_unreadable_documents_are_found"),
    ]

    operations = [migrations.RunSQL(NAMED, migrations.RunSQL.noop)]
