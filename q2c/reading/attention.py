"""What needs a person now: root causes with what they hold up, cases past their service level, open questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exceptions import problems, tallies
from exceptions.models import Approval, Case, Offer, Problem
from exceptions.models.case import TO_DO
from q2c import clock

# Past this nobody counts on: the number is shown as 1,000+.
LATE_MAX = 1000


@dataclass(frozen=True, slots=True)
class Card:
    """A root cause; `sums` are (minor units, currency)."""

    problem: Problem
    cases: int
    sums: list[tuple[int, str]]
    entities: list[str]
    periods: list[str]
    totals: problems.Totals


@dataclass(frozen=True, slots=True)
class Attention:
    """`to_do` cases need a person; `late` of them are past their service level; `asked` decisions wait.

    `offered` counts what a fix has set free and nobody has replayed yet.
    """

    to_do: int
    late: int
    more_late: bool
    latest: list[Case]
    asked: int
    offered: int
    cards: list[Card]


def now(user: Any, cards: int = 6, cases: int = 6) -> Attention:
    """Cards by size, the cases that are due first; half a dozen statements, whatever the number of cases."""
    visible = Case.objects.visible_to(user).filter(state__in=TO_DO)
    late = visible.filter(due_at__lt=clock.now()).order_by()
    count = late.values("id")[: LATE_MAX + 1].count()
    return Attention(
        to_do=sum(tallies.counts(user, "state", state__in=TO_DO).values()),
        late=min(count, LATE_MAX),
        more_late=count > LATE_MAX,
        latest=list(
            visible.order_by("due_at", "id")
            .select_related("owner_team", "assignee")
            .defer("context", "proof", "haystack")[:cases]
        ),
        asked=Approval.objects.visible_to(user).filter(state="requested").count(),
        offered=Offer.objects.visible_to(user).filter(state="open").count(),
        cards=[_card(problem, totals) for problem, totals in problems.cards(user, limit=cards)[:cards]],
    )


def _card(problem: Problem, totals: problems.Totals) -> Card:
    waiting = problem.waiting if problem.kind == "connection" else {}
    sums = {**totals.amounts, **(waiting.get("amounts") or {})}
    return Card(
        problem=problem,
        cases=totals.cases or int(waiting.get("count", 0)),
        sums=[(minor, currency) for currency, minor in sums.items() if minor],
        entities=sorted(filter(None, totals.entities)),
        periods=sorted({period for _, period in totals.periods if period}),
        totals=totals,
    )
