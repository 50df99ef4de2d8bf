"""A legal entity: whose books these are."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from simple_history.models import HistoricalRecords

from q2c import money
from q2c.visible import VisibleQuerySet


def fiscal_year(day: dt.date, start_month: int) -> int:
    """The fiscal year of a day, named by the calendar year in which it ends."""
    return day.year + 1 if 1 < start_month <= day.month else day.year


class LegalEntity(models.Model):
    """One company of the group. The root has no parent; its currency is the group's.

    `regions` are the sales regions it serves; empty `allowed_currencies` allows every currency.
    """

    code = models.CharField(max_length=20, unique=True, validators=[RegexValidator(r"^[A-Z0-9][A-Z0-9_-]*$")])
    number_code = models.CharField(
        max_length=4,
        unique=True,
        blank=True,
        validators=[RegexValidator(r"^[A-Z0-9]{1,4}$")],
        help_text="Begins each journal number, such as US01 in US01-26-S0000042; empty: taken from the code",
    )
    name = models.CharField(max_length=200)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    functional_currency = models.CharField(max_length=3)
    country = models.CharField(max_length=2)
    timezone = models.CharField(max_length=60, default="UTC")
    fiscal_year_start_month = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(12)]
    )
    erp_connection = models.CharField(max_length=60, blank=True, help_text="Name of the connection it posts to")
    erp_subsidiary = models.CharField(max_length=60, blank=True, help_text="Its own reference there")
    allowed_currencies = models.JSONField(default=list, blank=True)
    regions = models.JSONField(default=list, blank=True)
    is_active = models.BooleanField(default=True)
    history = HistoricalRecords(inherit=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        verbose_name_plural = "legal entities"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(fiscal_year_start_month__range=(1, 12)), name="entity_start_month"
            ),
            models.CheckConstraint(condition=~models.Q(number_code=""), name="entity_has_number_code"),
        ]

    def __str__(self) -> str:
        return self.code

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._number()
        super().save(*args, **kwargs)

    def _number(self) -> None:
        self.number_code = self.number_code or "".join(filter(str.isalnum, self.code))[:4]

    def clean(self) -> None:
        super().clean()
        # Constraints are looked at after this, and before it is saved.
        self._number()
        wrong: dict[str, str] = {}
        if self.functional_currency not in money.EXPONENTS:
            wrong["functional_currency"] = f"{self.functional_currency} is not an ISO 4217 currency code in use"
        unknown = [code for code in self.allowed_currencies if code not in money.EXPONENTS]
        if unknown:
            wrong["allowed_currencies"] = f"Not ISO 4217 currency codes in use: {', '.join(map(str, unknown))}"
        if self.timezone not in available_timezones():
            wrong["timezone"] = f"{self.timezone} is not a time zone"
        if self.pk and self.parent and self in self.parent.lineage():
            wrong["parent"] = "An entity cannot stand above itself"
        if wrong:
            raise ValidationError(wrong)

    def lineage(self) -> list[LegalEntity]:
        """This entity, its parent, and so on up to the root; a loop ends where it closes."""
        found: list[LegalEntity] = []
        current: LegalEntity | None = self
        while current is not None and current not in found:
            found.append(current)
            current = current.parent
        return found

    @property
    def group_currency(self) -> str:
        """The functional currency of the root."""
        return self.lineage()[-1].functional_currency

    def fiscal_year(self, day: dt.date) -> int:
        return fiscal_year(day, self.fiscal_year_start_month)
