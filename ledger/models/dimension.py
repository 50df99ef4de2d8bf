"""What a posting is about besides its account: cost centre, product line, region."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from simple_history.models import HistoricalRecords

from ledger.models.account import Account
from ledger.models.effective import Effective, ends_after_start, overlaps
from ledger.models.entity import LegalEntity
from q2c.visible import VisibleQuerySet


class Dimension(models.Model):
    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    history = HistoricalRecords(inherit=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


class DimensionValue(Effective):
    """One cost centre, product line or region; with an entity it may be used by that entity only."""

    dimension = models.ForeignKey(Dimension, on_delete=models.PROTECT, related_name="values")
    code = models.CharField(max_length=60)
    name = models.CharField(max_length=120, blank=True)
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    is_active = models.BooleanField(default=True)
    history = HistoricalRecords(inherit=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["dimension", "code"]
        constraints = [
            models.UniqueConstraint(
                fields=["dimension", "entity", "code"], nulls_distinct=False, name="one_dimension_value_per_code"
            ),
            ends_after_start("dimension_value_dates"),
        ]

    def __str__(self) -> str:
        return f"{self.dimension} {self.code}"


class DimensionRule(Effective):
    """Whether lines on an account, or on all accounts of a type, carry a dimension.

    The account's own rule goes before its type's; without any the dimension is optional. `forbidden` leaves a
    given value off the line; `required` takes the default where none is given.
    """

    REQUIREMENTS = [(r, r) for r in ("required", "optional", "forbidden")]

    dimension = models.ForeignKey(Dimension, on_delete=models.PROTECT, related_name="rules")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    account_type = models.CharField(max_length=12, choices=Account.TYPES, blank=True)
    requirement = models.CharField(max_length=12, choices=REQUIREMENTS)
    default_value = models.CharField(max_length=60, blank=True)
    history = HistoricalRecords(inherit=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["dimension", "account_type", "account"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(account__isnull=False, account_type="")
                | (models.Q(account__isnull=True) & ~models.Q(account_type="")),
                name="dimension_rule_for_account_or_type",
            ),
            ends_after_start("dimension_rule_dates"),
        ]

    def __str__(self) -> str:
        return f"{self.account or self.account_type}: {self.dimension} {self.requirement}"

    def clean(self) -> None:
        super().clean()
        if (self.account_id is None) == (self.account_type == ""):
            raise ValidationError("A rule is for one account or for one account type")
        rivals = DimensionRule.objects.filter(
            overlaps(self.effective_from, self.effective_to),
            dimension=self.dimension_id,
            account=self.account_id,
            account_type=self.account_type,
        )
        rival = rivals.exclude(pk=self.pk).first()
        if rival:
            raise ValidationError(f"“{rival}” holds on some of these days already")
