"""Counts and sums of the flow's nouns, from the differences that the database appends (models/tally.py)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet, Sum, Value

from q2c import clock
from q2c.models import Tally

# Who may see the records may see how many there are.
RIGHTS = {
    "order": "q2c.view_order",
    "subscription": "q2c.view_subscription",
    "invoice": "q2c.view_invoice",
    "journal": "ledger.view_journalentry",
}

# So many rows are summed for a filter; beyond that its page says only that there are more.
MOST = 100_000
_SUMMED = """
SELECT state, currency, count(*), sum(q2c_worth), sum(least(q2c_worth, 0)), sum(q2c_mirrored) FROM ({}) AS asked
GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Count:
    """Records of one noun: by state, their sums as (minor units, currency) by state, and how many were made a day.

    `credits` is what of the sums is below zero, and `mirrors`, in no sum, what mirror entries take back. `more`: there
    are more records than are counted for a filter, so nothing is told.
    """

    by_state: dict[str, int] = field(default_factory=dict)
    sums: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    credits: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    by_day: dict[dt.date, int] = field(default_factory=dict)
    mirrors: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    more: bool = False

    def add(self, state: str, currency: str, records: int, minor: int, below: int, mirrored: int) -> None:
        if records:
            self.by_state[state] = self.by_state.get(state, 0) + int(records)
            self.sums.setdefault(state, []).append((int(minor), currency))
            self.credits.setdefault(state, []).append((int(below), currency))
            self.mirrors.setdefault(state, []).append((int(mirrored), currency))

    def sums_of(self, states: Any) -> list[tuple[int, str]]:
        """The sums of several states, not yet added up; what is worth nothing is left out."""
        return [pair for state in states for pair in self.sums.get(state, ()) if pair[0]]

    def credits_of(self, states: Any) -> list[tuple[int, str]]:
        """What of the sums of these states is below zero, not yet added up."""
        return [pair for state in states for pair in self.credits.get(state, ()) if pair[0]]

    def mirrors_of(self, states: Any) -> list[tuple[int, str]]:
        """What mirror entries in these states take back, not yet added up."""
        return [pair for state in states for pair in self.mirrors.get(state, ()) if pair[0]]

    @property
    def total(self) -> int:
        return sum(self.by_state.values())


def may_see(user: Any, noun: str) -> bool:
    return bool(user.is_active and user.has_perm(RIGHTS[noun]))


def counts(user: Any, nouns: tuple[str, ...] = tuple(RIGHTS), days: int = 14, **only: str) -> dict[str, Count]:
    """Each noun that the user may see; two statements. `by_day` has the last `days` days, those without records too.

    `only` are an entity and a currency, of which alone is counted.
    """
    seen = [noun for noun in nouns if may_see(user, noun)]
    today = clock.today()
    span = [today - dt.timedelta(days=ago) for ago in reversed(range(days))]
    found = {noun: Count(by_day=dict.fromkeys(span, 0)) for noun in seen}
    if not seen:
        return found
    rows = Tally.objects.filter(noun__in=seen, **only)
    states = rows.values_list("noun", "state", "currency").order_by("noun", "state", "currency")
    summed = states.annotate(Sum("records"), Sum("amount_minor"), Sum("credit_minor"), Sum("mirror_minor"))
    for noun, state, currency, records, minor, below, mirrored in summed:
        found[noun].add(state, currency, records, minor, below, mirrored)
    made = rows.filter(made_on__gte=span[0], made_on__lte=today).values_list("noun", "made_on")
    for noun, day, records in made.annotate(Sum("records")).order_by("noun", "made_on"):
        found[noun].by_day[day] = int(records)
    return found


def counted(rows: QuerySet[Any], worth: Any, mirrored: Any = None) -> Count:
    """What is filtered, where the tally cannot tell it: one statement over at most MOST rows.

    `worth` says of a row what it adds to the sums, `mirrored` what of it a mirror entry takes back, in minor units.
    """
    named = {"q2c_worth": worth, "q2c_mirrored": mirrored if mirrored is not None else Value(0)}
    asked = rows.order_by().values("state", "currency").annotate(**named)[: MOST + 1]
    try:
        sql, values = asked.query.sql_with_params()
    except EmptyResultSet:
        return Count()
    found = Count()
    with connection.cursor() as cursor:
        cursor.execute(_SUMMED.format(sql), values)
        summed = cursor.fetchall()
    if sum(records for _, _, records, *_ in summed) > MOST:
        return Count(more=True)
    for state, currency, records, minor, below, taken in summed:
        found.add(state, currency, records, minor, below, taken)
    return found
