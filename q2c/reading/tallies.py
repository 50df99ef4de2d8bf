"""Counts and sums of the flow's nouns, from the differences that the database appends (models/tally.py)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Sum

from q2c import clock
from q2c.models import Tally

# Who may see the records may see how many there are.
RIGHTS = {
    "order": "q2c.view_order",
    "subscription": "q2c.view_subscription",
    "invoice": "q2c.view_invoice",
    "journal": "ledger.view_journalentry",
}


@dataclass(frozen=True, slots=True)
class Count:
    """Records of one noun: by state, their sums as (minor units, currency) by state, and how many were made a day.

    `credits` is what of the sums is below zero.
    """

    by_state: dict[str, int] = field(default_factory=dict)
    sums: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    credits: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    by_day: dict[dt.date, int] = field(default_factory=dict)

    def sums_of(self, states: Any) -> list[tuple[int, str]]:
        """The sums of several states, not yet added up; what is worth nothing is left out."""
        return [pair for state in states for pair in self.sums.get(state, ()) if pair[0]]

    def credits_of(self, states: Any) -> list[tuple[int, str]]:
        """What of the sums of these states is below zero, not yet added up."""
        return [pair for state in states for pair in self.credits.get(state, ()) if pair[0]]

    @property
    def total(self) -> int:
        return sum(self.by_state.values())


def may_see(user: Any, noun: str) -> bool:
    return bool(user.is_active and user.has_perm(RIGHTS[noun]))


def counts(user: Any, nouns: tuple[str, ...] = tuple(RIGHTS), days: int = 14) -> dict[str, Count]:
    """Each noun that the user may see; two statements. `by_day` has the last `days` days, those without records too."""
    seen = [noun for noun in nouns if may_see(user, noun)]
    today = clock.today()
    span = [today - dt.timedelta(days=ago) for ago in reversed(range(days))]
    found = {noun: Count(by_day=dict.fromkeys(span, 0)) for noun in seen}
    if not seen:
        return found
    rows = Tally.objects.filter(noun__in=seen)
    states = rows.values_list("noun", "state", "currency").order_by("noun", "state", "currency")
    summed = states.annotate(Sum("records"), Sum("amount_minor"), Sum("credit_minor"))
    for noun, state, currency, records, minor, below in summed:
        if records:
            found[noun].by_state[state] = found[noun].by_state.get(state, 0) + int(records)
            found[noun].sums.setdefault(state, []).append((int(minor), currency))
            found[noun].credits.setdefault(state, []).append((int(below), currency))
    made = rows.filter(made_on__gte=span[0], made_on__lte=today).values_list("noun", "made_on")
    for noun, day, records in made.annotate(Sum("records")).order_by("noun", "made_on"):
        found[noun].by_day[day] = int(records)
    return found
