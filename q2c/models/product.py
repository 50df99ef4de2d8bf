"""What is sold, what the price list asks for it, and which item it is in each ledger."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.postgres.constraints import ExclusionConstraint
from django.core.exceptions import ValidationError
from django.db import models
from simple_history.models import HistoricalRecords

from ledger.models import Dimension, DimensionValue
from q2c import money
from q2c.models.effective import ends_before_it_begins
from q2c.visible import VisibleQuerySet


class Product(models.Model):
    KINDS = [("one_time", "One-time"), ("recurring", "Recurring"), ("usage", "Usage")]
    TREATMENTS = [
        ("point_in_time", "Point in time"),
        ("ratable_daily", "Ratable by day"),
        ("ratable_monthly", "Ratable by month"),
        ("usage_as_billed", "Usage as billed"),
    ]

    code = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, choices=KINDS)
    product_line = models.CharField(max_length=40, blank=True)
    revenue_treatment = models.CharField(max_length=20, choices=TREATMENTS)
    tax_code = models.CharField(max_length=40, blank=True)
    meter = models.CharField(max_length=60, blank=True)
    active = models.BooleanField(default=True)
    history = HistoricalRecords()

    objects = VisibleQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class ListPrice(models.Model):
    """What one unit costs in a currency per price period (usage: per unit used), effective-dated.

    Deals are measured by it, on the day they closed. Of one product, currency and period there is one on any day.
    """

    PERIODS = [("once", "Once"), ("month", "Per month"), ("year", "Per year")]

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="list_prices")
    currency = models.CharField(max_length=3)
    price_period = models.CharField(
        max_length=5, choices=PERIODS, help_text="What is not recurring is priced once; of usage, each unit used is"
    )
    # As unit prices of orders: whole units of the currency, and finer than its minor unit.
    unit_price = models.DecimalField(max_digits=20, decimal_places=8)
    effective_from = models.DateField()
    effective_to = models.DateField(null=True, blank=True)
    history = HistoricalRecords()

    objects = VisibleQuerySet.as_manager()

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="one_list_price_at_a_time",
                expressions=[
                    ("product", "="),
                    ("currency", "="),
                    ("price_period", "="),
                    (models.Func("effective_from", "effective_to", function="daterange"), "&&"),
                ],
            ),
            models.CheckConstraint(condition=models.Q(unit_price__gte=0), name="list_price_not_negative"),
            models.CheckConstraint(
                condition=models.Q(price_period__in=("once", "month", "year")), name="list_price_period"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product.code} in {self.currency} ({self.price_period})"

    def clean(self) -> None:
        super().clean()
        wrong = ends_before_it_begins(self.effective_from, self.effective_to)
        if self.currency not in money.EXPONENTS:
            wrong["currency"] = f"{self.currency} is not an ISO 4217 currency code in use"
        kind = self.product.kind if self.product_id else "recurring"
        if kind != "recurring" and self.price_period in ("month", "year"):
            wrong["price_period"] = f"{self.product.code} is not recurring: its price is due once"
        if wrong:
            raise ValidationError(wrong)


class ItemMapping(models.Model):
    """Product → item of one ERP connection, effective-dated; `dimensions` go onto the journal lines."""

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="items")
    connection = models.CharField(max_length=60)
    item = models.CharField(max_length=80)
    dimensions = models.JSONField(default=dict, blank=True)
    effective_from = models.DateField()
    effective_to = models.DateField(null=True, blank=True)
    history = HistoricalRecords()

    objects = VisibleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["product", "connection", "effective_from"], name="one_item_at_a_time")
        ]

    def __str__(self) -> str:
        return f"{self.product.code} in {self.connection}"

    def clean(self) -> None:
        super().clean()
        wrong = ends_before_it_begins(self.effective_from, self.effective_to)
        if not isinstance(self.dimensions, dict) or not all(isinstance(v, str) for v in self.dimensions.values()):
            wrong["dimensions"] = 'Dimension code → value code, such as {"cost_center": "CC-410"}'
        elif unknown := unknown_dimensions(self.dimensions):
            wrong["dimensions"] = unknown
        if wrong:
            raise ValidationError(wrong)


def unknown_dimensions(given: Mapping[str, str]) -> list[str]:
    """What is wrong with dimension code → value code, as sentences with the remedy."""
    codes = list(Dimension.objects.filter(code__in=given).values_list("code", flat=True))
    rows = DimensionValue.objects.filter(dimension__code__in=codes, code__in=given.values())
    there = set(rows.values_list("dimension__code", "code"))
    wrong = []
    for code, value in given.items():
        if code not in codes:
            known = ", ".join(Dimension.objects.values_list("code", flat=True)) or "none yet"
            wrong.append(f"There is no dimension {code}; there are: {known}")
        elif (code, value) not in there:
            called = code.replace("_", " ")
            called = f"{called[:1].upper()}{called[1:]}"
            wrong.append(f"{called} has no value {value}: add it under Dimension values first, or correct it here")
    return wrong
