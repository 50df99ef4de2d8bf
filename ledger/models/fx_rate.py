"""Exchange rates by day."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from simple_history.models import HistoricalRecords

from q2c import money
from q2c.visible import VisibleQuerySet


class FxRate(models.Model):
    """Units of `to_currency` for one unit of `from_currency`; holds from its day until the next one."""

    KINDS = [(k, k) for k in ("spot", "closing", "average")]

    from_currency = models.CharField(max_length=3)
    to_currency = models.CharField(max_length=3)
    kind = models.CharField(max_length=8, choices=KINDS, default="spot")
    on = models.DateField()
    rate = models.DecimalField(max_digits=18, decimal_places=9)
    history = HistoricalRecords(inherit=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["from_currency", "to_currency", "-on"]
        verbose_name = "exchange rate"
        constraints = [
            models.UniqueConstraint(
                fields=["from_currency", "to_currency", "kind", "on"], name="one_rate_per_pair_kind_and_day"
            ),
            models.CheckConstraint(condition=models.Q(rate__gt=0), name="rate_is_positive"),
            models.CheckConstraint(
                condition=~models.Q(from_currency=models.F("to_currency")), name="rate_between_two_currencies"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_currency}/{self.to_currency} {self.kind} {self.on}: {self.rate}"

    def clean(self) -> None:
        super().clean()
        wrong = {
            name: f"{getattr(self, name)} is not an ISO 4217 currency code in use"
            for name in ("from_currency", "to_currency")
            if getattr(self, name) not in money.EXPONENTS
        }
        if wrong:
            raise ValidationError(wrong)
