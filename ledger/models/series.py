"""Gapless numbers: one row per entity, fiscal year and journal."""

from __future__ import annotations

from django.db import models

from ledger.models.entity import LegalEntity
from q2c.visible import VisibleQuerySet

# journal → (its letter in numbers, what is booked in it)
JOURNALS: dict[str, tuple[str, str]] = {
    "SALES": ("S", "Invoices and credit memos"),
    "CASH": ("C", "Receipts, applications and refunds"),
    "REVENUE": ("R", "Revenue recognised and accrued"),
    "GENERAL": ("G", "Everything else"),
}
DIGITS = 7


class JournalSeries(models.Model):
    """`US01-26-S` and how far it has come. Only the database moves `last_number`, as entries become ready."""

    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    fiscal_year = models.PositiveSmallIntegerField()
    journal = models.CharField(max_length=12, choices=[(code, about) for code, (_, about) in JOURNALS.items()])
    prefix = models.CharField(max_length=9, unique=True)
    last_number = models.PositiveIntegerField(default=0)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        ordering = ["prefix"]
        verbose_name_plural = "journal series"
        constraints = [
            models.UniqueConstraint(fields=["entity", "fiscal_year", "journal"], name="one_series_per_year_and_journal")
        ]

    def __str__(self) -> str:
        return self.prefix


def prefix(number_code: str, fiscal_year: int, journal: str) -> str:
    """What the numbers of a series begin with."""
    return f"{number_code}-{fiscal_year % 100:02d}-{JOURNALS[journal][0]}"
