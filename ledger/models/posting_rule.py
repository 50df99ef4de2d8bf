"""Posting rules: which facts become which debits and credits, as data.

A rule decides one `leg` of an event (receivable, revenue, tax; empty where one rule decides all) for the fact lines
that its match columns fit. Per leg the most specific rule wins: rules are compared column by column in the order of
MATCH, and at the first column that only one of them fills, that one wins. So two rules tie only when they fill the
same columns with the same values on the same days, and the database refuses that.

A version that has booked something is frozen, apart from the day on which it ends: a change is a new version.
"""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from simple_history.models import HistoricalRecords

from ledger.models.effective import Effective, ends_after_start, overlaps
from ledger.models.entity import LegalEntity
from q2c.visible import VisibleQuerySet

# Most telling first: this is the order in which rules are compared.
MATCH = ("entity", "product", "revenue_treatment", "kind", "tax_code", "currency", "event_type")

# What an account role may be made of.
PLACEHOLDERS = ("product_line", "product", "kind", "region", "tax_code", "currency")


class PostingRule(Effective):
    rule_set = models.CharField(max_length=20, default="primary", help_text="Books kept side by side have one each")
    name = models.CharField(max_length=80)
    version = models.PositiveSmallIntegerField(default=1)
    leg = models.CharField(max_length=20, blank=True, help_text="What it decides: receivable, revenue, tax …")
    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    event_type = models.CharField(max_length=40, blank=True)
    product = models.CharField(max_length=64, blank=True)
    revenue_treatment = models.CharField(max_length=20, blank=True)
    kind = models.CharField(max_length=20, blank=True)
    tax_code = models.CharField(max_length=40, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    used_at = models.DateTimeField(null=True, editable=False)
    history = HistoricalRecords(inherit=False)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["rule_set", "name", "version"]
        constraints = [
            models.UniqueConstraint(fields=["rule_set", "name", "version"], name="one_rule_per_version"),
            ends_after_start("posting_rule_dates"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    def clean(self) -> None:
        super().clean()
        same = {name: getattr(self, f"{name}_id" if name == "entity" else name) for name in MATCH}
        rivals = PostingRule.objects.filter(
            overlaps(self.effective_from, self.effective_to), rule_set=self.rule_set, leg=self.leg, **same
        )
        rival = rivals.exclude(pk=self.pk).first()
        if rival:
            raise ValidationError(
                f"Ambiguous: {rival} fits the same facts on some of these days. End one, or make one more specific"
            )


class PostingRuleLine(models.Model):
    """One debit or credit: the measure of the fact line, on the account with this role.

    A placeholder in the role is filled from the fact line; where no account has the resulting role, the part
    before its colon is tried. `dimensions` fixes values that otherwise come from the fact. Grouping `entry` sums
    what falls on one account with equal dimensions over all lines of the fact; `line` keeps one per fact line.
    """

    MEASURES = [(m, m) for m in ("net", "tax", "gross")]
    SIDES = [(s, s) for s in ("debit", "credit")]
    GROUPINGS = [("line", "one per fact line"), ("entry", "summed per entry")]

    rule = models.ForeignKey(PostingRule, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveSmallIntegerField(help_text="Order within the entry, over all its rules")
    measure = models.CharField(max_length=8, choices=MEASURES)
    side = models.CharField(max_length=8, choices=SIDES)
    account_role = models.CharField(max_length=80, validators=[RegexValidator(r"^[a-z0-9_]+(:[A-Za-z0-9_{}:.-]+)?$")])
    dimensions = models.JSONField(default=dict, blank=True)
    grouping = models.CharField(max_length=8, choices=GROUPINGS, default="line")
    history = HistoricalRecords(inherit=False)

    class Meta:
        ordering = ["rule", "position"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "position"], name="one_rule_line_per_position"),
            models.CheckConstraint(condition=models.Q(measure__in=["net", "tax", "gross"]), name="rule_line_measure"),
            models.CheckConstraint(condition=models.Q(side__in=["debit", "credit"]), name="rule_line_side"),
            models.CheckConstraint(condition=models.Q(grouping__in=["line", "entry"]), name="rule_line_grouping"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.measure} {self.account_role}"

    def clean(self) -> None:
        super().clean()
        unknown = [found for found in re.findall(r"{([^{}]*)}", self.account_role) if found not in PLACEHOLDERS]
        if unknown:
            raise ValidationError({"account_role": f"No such placeholder: {', '.join(unknown)}"})
        fixed = self.dimensions
        if not isinstance(fixed, dict) or not all(isinstance(v, str) for v in fixed.values()):
            raise ValidationError({"dimensions": "Dimension code → value code"})
