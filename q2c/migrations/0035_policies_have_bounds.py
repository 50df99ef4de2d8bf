"""Limits that mean something: a discount is a share, and no limit is below nothing. What was beyond is brought back."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models import Q

_WITHIN = """
UPDATE q2c_commercialpolicy SET
  discount_limit_percent = greatest(0, least(100, discount_limit_percent)),
  usage_limit_percent = greatest(0, usage_limit_percent),
  tax_tolerance_percent = greatest(0, least(100, tax_tolerance_percent))
WHERE discount_limit_percent NOT BETWEEN 0 AND 100 OR usage_limit_percent < 0
   OR tax_tolerance_percent NOT BETWEEN 0 AND 100
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0034_journals_have_a_sign")]

    operations = [
        migrations.RunSQL(_WITHIN, migrations.RunSQL.noop),
        migrations.AddConstraint(
            "commercialpolicy",
            models.CheckConstraint(condition=Q(discount_limit_percent__range=(0, 100)), name="policy_discount_is_a_share"),
        ),
        migrations.AddConstraint(
            "commercialpolicy",
            models.CheckConstraint(condition=Q(usage_limit_percent__gte=0), name="policy_usage_not_negative"),
        ),
        migrations.AddConstraint(
            "commercialpolicy",
            models.CheckConstraint(condition=Q(tax_tolerance_percent__range=(0, 100)), name="policy_tolerance_is_points"),
        ),
    ]
