"""What came in unreadable is found by what its source calls it, and by the journey it belongs to."""

import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0017_what_was_shown")]

    operations = [
        migrations.AddIndex(
            model_name="case",
            index=django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("raw_hash__isnull", False)), fields=["context"], name="case_raw_called",
                opclasses=["jsonb_path_ops"],
            ),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(
                condition=models.Q(("raw_hash__isnull", False)), fields=["correlation_id"], name="case_raw_of_journey"
            ),
        ),
    ]
