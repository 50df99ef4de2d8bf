"""The limits above which a second person decides."""

from __future__ import annotations

from django.db import models
from simple_history.models import HistoricalRecords


class CommercialPolicy(models.Model):
    """One row per legal entity; an empty entity is the default for all."""

    entity = models.CharField(max_length=20, blank=True, unique=True)
    discount_limit_percent = models.DecimalField(max_digits=5, decimal_places=2, default=20)
    # Of what an order sold to a group over its term, so much may one invoice bill as usage of a product.
    usage_limit_percent = models.DecimalField(max_digits=7, decimal_places=2, default=100, db_default=100)
    # So many points of percent may the tax of an invoice be from what was estimated for its order. Statutory rates are
    # two points apart or more (8 and 10 in Japan), so what is within one is a local rate that moved.
    tax_tolerance_percent = models.DecimalField(max_digits=5, decimal_places=2, default=1, db_default=1)
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "commercial policies"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(discount_limit_percent__range=(0, 100)), name="policy_discount_is_a_share"
            ),
            models.CheckConstraint(condition=models.Q(usage_limit_percent__gte=0), name="policy_usage_not_negative"),
            models.CheckConstraint(
                condition=models.Q(tax_tolerance_percent__range=(0, 100)), name="policy_tolerance_is_points"
            ),
        ]

    def __str__(self) -> str:
        return self.entity or "every entity"
