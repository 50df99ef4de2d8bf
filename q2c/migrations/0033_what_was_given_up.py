"""What people gave up on its way is found by the month that it is missing from."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("q2c", "0032_lines_keep_their_product_line")]

    operations = [
        migrations.AddIndex(
            "step",
            models.Index(
                fields=["entity", "period"],
                condition=Q(state="abandoned", stage__in=["record_invoice", "post_journal"]) & ~Q(reason="superseded"),
                name="step_given_up",
            ),
        ),
    ]
