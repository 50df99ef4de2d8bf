"""An invoice knows since when billing has it posted no more, whether it is in the books or was reversed here."""

from django.db import migrations, models
from django.db.models import Q

# Told by a case so far, of what was booked; one that came right by itself is posted again there.
_TOLD = """
UPDATE q2c_invoice i SET taken_back_at = c.opened_at FROM (
  SELECT DISTINCT ON (source, business_key) source, business_key, opened_at, resolution FROM exceptions_case
  WHERE code = 'cancelled_in_billing' ORDER BY source, business_key, id DESC
) c
WHERE c.source = i.source AND c.business_key = i.number AND i.state <> 'voided' AND c.resolution <> 'resolved_by_itself'
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0038_what_is_named_is_not_deleted"), ("exceptions", "0010_as_the_models_are")]

    operations = [
        migrations.AddField(
            "invoice",
            "taken_back_at",
            models.DateTimeField(null=True, editable=False, help_text="Billing has it posted no more since"),
        ),
        migrations.AddIndex(
            "invoice",
            models.Index(
                fields=["taken_back_at"], condition=Q(taken_back_at__isnull=False), name="invoice_taken_back"
            ),
        ),
        migrations.RunSQL(_TOLD, migrations.RunSQL.noop),
    ]
