"""What needs a person now: root causes with what they hold up, cases past their service level, open questions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from exceptions import problems, tallies
from exceptions.models import Approval, Case, Offer, Problem
from exceptions.models.case import TO_DO
from exceptions.models.policy import SEVERITIES
from ledger import fx
from ledger.models import LegalEntity
from q2c import clock, money

# Past this nobody counts on: the number is shown as 1,000+.
LATE_MAX = 1000
# Of so many causes, the gravest by severity and lateness, those with the most money are shown.
CAUSES_MAX = 60
# An urgent case that is due so soon stands among those that are due first, whatever else is late.
SOON = dt.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Card:
    """A root cause; `sums` are (minor units, currency), `credits` what of them is below zero."""

    problem: Problem
    cases: int
    sums: list[tuple[int, str]]
    entities: list[str]
    periods: list[str]
    totals: problems.Totals
    credits: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Attention:
    """`to_do` cases need a person; `late` of them are past their service level; `asked` decisions wait, and cases of
    `asked_late` of them are past theirs.

    `offered` counts what a fix has set free and nobody has replayed yet. `more_cards` are behind those that are shown,
    counted no further than CAUSES_MAX.
    """

    to_do: int
    late: int
    more_late: bool
    latest: list[Case]
    asked: int
    asked_late: int
    offered: int
    cards: list[Card]
    more_cards: int


def now(user: Any, cards: int = 6, cases: int = 6) -> Attention:
    """Cards by severity, lateness and money; cases that are due first. A dozen statements, however many there are."""
    visible = Case.objects.visible_to(user).filter(state__in=TO_DO)
    late = visible.filter(due_at__lt=clock.now()).order_by()
    found = problems.cards(user, by="urgency", limit=max(cards, CAUSES_MAX), counted=TO_DO)
    count = late.values("id")[: LATE_MAX + 1].count()
    asked = Approval.objects.visible_to(user).filter(state="requested").count()
    return Attention(
        to_do=sum(tallies.counts(user, "state", state__in=TO_DO).values()),
        late=min(count, LATE_MAX),
        more_late=count > LATE_MAX,
        latest=_due_first(user, visible, cases),
        asked=asked,
        asked_late=_asked_late(user) if asked else 0,
        offered=Offer.objects.visible_to(user).filter(state="open").count(),
        cards=_gravest([_card(problem, totals) for problem, totals in found])[:cards],
        more_cards=max(0, len(found) - cards),
    )


def _asked_late(user: Any) -> int:
    return Case.objects.visible_to(user).filter(state="awaiting_approval", due_at__lt=clock.now()).count()


def _due_first(user: Any, visible: QuerySet[Case], most: int) -> list[Case]:
    """Those that are late, urgent ones before others; then urgent ones that are due soon; then what is due next.

    Two urgent ones that are due soon stand beside any number of late ones. In the order in which they are due.
    """
    rows, now = visible.order_by("due_at", "id").select_related("owner_team", "assignee"), clock.now()
    rows = rows.defer("context", "proof", "haystack")
    wanted = [(rows.filter(due_at__lt=now), 0), (rows, 0)]
    if tallies.counts(user, "severity", state__in=TO_DO, severity="urgent"):
        urgent = rows.filter(severity="urgent")
        soon = urgent.filter(due_at__gte=now, due_at__lt=now + SOON)
        wanted = [(urgent.filter(due_at__lt=now), 0), wanted[0], (soon, 2), wanted[1]]
    found: list[Case] = []
    for some, least in wanted:
        if room := max(least, most - len(found)):
            found += some.exclude(id__in=[case.id for case in found])[:room]
    return sorted(found, key=lambda case: (case.due_at, case.id))


def _gravest(cards: Sequence[Card]) -> list[Card]:
    """By severity, then what is late, then money, compared in the group's currency."""
    now, target = clock.now(), _group_currency()
    worth = _rates(target, {code for card in cards for _, code in _at_stake(card)})
    return sorted(
        cards,
        key=lambda card: (
            card.problem.kind != "connection",
            SEVERITIES.index(card.problem.severity),
            card.totals.oldest_due_at is None or card.totals.oldest_due_at >= now,
            -sum(money.converted(minor, code, target, worth[code]) for minor, code in _at_stake(card) if code in worth),
            -card.cases,
        ),
    )


def _at_stake(card: Card) -> list[tuple[int, str]]:
    """Charges and credits alike: a credit that cannot be booked is as grave as an invoice."""
    nets, below = ({code: minor for minor, code in some} for some in (card.sums, card.credits))
    return [(nets.get(code, 0) - 2 * below.get(code, 0), code) for code in nets | below]


def _group_currency() -> str:
    found = LegalEntity.objects.filter(parent=None).order_by("id").values_list("functional_currency", flat=True).first()
    return found or "USD"


def _rates(target: str, codes: set[str]) -> dict[str, Decimal]:
    """Today's, to compare by; what has none does not count."""
    today = clock.today()
    found = fx.load([(code, target) for code in sorted(codes)], (today, today + dt.timedelta(days=1)))
    rates = {source: rate for (source, _), those in found.items() if (rate := those.on(today)) is not None}
    return rates | {target: Decimal(1)}


def _card(problem: Problem, totals: problems.Totals) -> Card:
    waiting = problem.waiting if problem.kind == "connection" else {}
    sums = {**totals.amounts, **(waiting.get("amounts") or {})}
    credits = {**totals.credits, **(waiting.get("credits") or {})}
    return Card(
        problem=problem,
        cases=totals.cases or int(waiting.get("count", 0)),
        sums=[(minor, currency) for currency, minor in sums.items() if minor],
        entities=sorted(filter(None, totals.entities)),
        periods=sorted({period for _, period in totals.periods if period}),
        totals=totals,
        credits=[(minor, currency) for currency, minor in credits.items()],
    )
