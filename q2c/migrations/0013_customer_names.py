"""Customers are found by part of their name, in any case of letters: what `name__icontains` asks has its index."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("q2c", "0012_use_sandbox")]

    operations = [
        # In SQL, since an operator class over an expression needs django.contrib.postgres.
        migrations.RunSQL(
            "CREATE INDEX customer_name ON q2c_customer USING gin (upper(name) gin_trgm_ops)",
            "DROP INDEX customer_name",
        ),
    ]
