"""An open case of what a system may not tell is worth nothing where another one's document of that name is booked."""

from django.db import migrations

# As q2c/stages/not_theirs.py tells it since; what has ended stays as it was told.
TOLD = """
UPDATE exceptions_case c SET context = jsonb_build_object('total_minor', c.amount_minor) || c.context, amount_minor = 0
FROM q2c_invoice i
WHERE c.code = 'forbidden' AND c.raw_hash IS NOT NULL AND c.resolved_at IS NULL AND c.amount_minor <> 0
  AND NOT c.context ? 'total_minor' AND i.entity = c.entity AND i.number = c.business_key AND i.state <> 'voided'
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0067_invoices_by_who_told_of_them"), ("exceptions", "0019_replays_tell_differences")]

    operations = [migrations.RunSQL(TOLD, migrations.RunSQL.noop)]
