"""A case of what billing took back says what happened; what to do about it is told by what is so as it is read."""

from django.db import migrations

# Those that wait for somebody; what has ended stays as it was told.
SQL = r"""
UPDATE exceptions_case SET text = regexp_replace(
  text, '(and it is booked here: billing cancelled it)\. (Reverse its journal|Its journal ).*$', '\1')
WHERE code = 'cancelled_in_billing' AND resolved_at IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0058_what_was_cancelled_of_orders"), ("exceptions", "0019_replays_tell_differences")]

    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
