"""A cause has gone away: what could be replayed now."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django_fsm import ConcurrentTransitionMixin, transition

from exceptions import sentences
from exceptions.models.batch import ReplayBatch
from exceptions.models.case import Case, held_up_by
from exceptions.visible import OfCase
from q2c.states import StateField, StateRecord


def worth_of(totals: Iterable[Mapping[str, Any]]) -> str:
    """What rows of an offer's totals come to, in words. One that was counted before credits stood apart has none."""
    sums, credits = Counter[str](), Counter[str]()
    for row in totals:
        sums[row["currency"]] += row["amount_minor"] or 0
        credits[row["currency"]] += row.get("credit_minor") or 0
    return sentences.amounts(sums, credits)


# So many cases of an offer are asked which product was in the way.
PRODUCTS_MAX = 200


class Offer(ConcurrentTransitionMixin, StateRecord):
    """`cases` wait for (connection, object type, object key, condition), which is gone.

    `totals` is a list of {currency, entity, period, cases, amount_minor, credit_minor}, the last being what of the
    amount is below zero, as of `counted_at`. `looked` is what their dry run found at `looked_at`: {cases, passes,
    untold, fails, amounts: minor units by currency of what passes, credits: what of these is below zero, silent:
    platforms that did not answer, reasons: how many fail for which, otherwise: how many billing has
    otherwise by now}; `looking` the same of one that goes on.
    """

    why_column = "title"

    state = StateField(default="open")
    blocker_connection = models.CharField(max_length=60, blank=True)
    blocker_type = models.CharField(max_length=60)
    blocker_key = models.CharField(max_length=200)
    blocker_condition = models.CharField(max_length=60)
    title = models.TextField()
    cases = models.PositiveIntegerField()
    totals = models.JSONField(default=list)
    created_at = models.DateTimeField()
    counted_at = models.DateTimeField()
    looked = models.JSONField(default=dict)
    looked_at = models.DateTimeField(null=True)
    looking = models.JSONField(default=dict)
    raised_by = models.CharField(max_length=150)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    batch = models.ForeignKey(ReplayBatch, on_delete=models.PROTECT, null=True, related_name="offers")

    objects = OfCase.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["blocker_type", "blocker_key", "blocker_connection", "blocker_condition"],
                condition=Q(state="open"),
                name="offer_once",
            )
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], condition=Q(state="open"), name="offer_open")]

    def __str__(self) -> str:
        return self.title

    @property
    def blocker(self) -> sentences.Blocker:
        return (self.blocker_connection, self.blocker_type, self.blocker_key, self.blocker_condition)

    @property
    def is_told(self) -> bool:
        """Whether its dry run was made, of as many cases as wait for it."""
        return self.looked_at is not None and self.looked.get("cases") == self.cases

    @property
    def wants_look(self) -> bool:
        return bool(self.looking) or self.looked_at is None or (not self.is_told and self.counted_at > self.looked_at)

    @property
    def worth(self) -> str:
        """What all that wait are about, charges and credits apart: EUR 48,210.00 and EUR -310.00 of credits."""
        return worth_of(self.totals)

    @property
    def headline(self) -> str:
        """How many would go through; until that is known, or is looked at anew since none would, how many wait."""
        found = self.looked
        if not self.is_told or (self.looking and not found["passes"]):
            return sentences.offer_untold(self.cases, self.worth, self.blocker, self._products())
        worth = sentences.amounts(found["amounts"], found.get("credits"))
        told = found["passes"], found["untold"], self.cases, worth
        return sentences.offer_told(*told, self.blocker, self._products())

    def headline_of(self, rows: Sequence[Mapping[str, Any]], since: dt.datetime) -> str:
        """The same of some of its cases, free since then: `rows` as in `totals`; empty of none."""
        number = sum(row["cases"] for row in rows)
        if number >= self.cases:
            return self.headline
        return sentences.offer_untold(number, worth_of(rows), self.blocker, self._products(since)) if number else ""

    def _products(self, since: dt.datetime | None = None) -> list[str]:
        """Those that gave no value for a dimension, of the cases that are free. One statement, of such offers alone."""
        if self.blocker_type != "dimension_rule":
            return []
        freed = Case.objects.filter(held_up_by(self.blocker), blocker_gone_at__isnull=False)
        if since is not None:
            freed = freed.filter(blocker_gone_at__gte=since)
        cases = freed.only("context", "field")[:PRODUCTS_MAX]
        return sorted({product for case in cases for product in case.lacking})

    @transition("state", source="open", target="taken")
    def take(self) -> None:
        """A person made a replay of it."""

    @transition("state", source="open", target="dismissed")
    def dismiss(self) -> None:
        """A person does not want it."""

    @transition("state", source="open", target="withdrawn")
    def withdraw(self) -> None:
        """The cause is back, or no case waits for it any more."""
