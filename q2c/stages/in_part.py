"""Orders of which billing has cancelled some subscriptions: kept by the request that got so far, come what may."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from exceptions.sentences import listed
from q2c.models import Step, Subscription
from q2c.models.step import OPEN
from q2c.models.subscription import ENDED
from q2c.stages.verb import KEPT


@dataclass(frozen=True, slots=True)
class Cut:
    """One subscription that billing has cancelled: as of when, and the day on which that was done."""

    number: str
    group: str
    on: dt.date
    done_on: dt.date


def requests(numbers: Iterable[str]) -> QuerySet[Step]:
    """The requests to cancel these orders of which billing has done something."""
    return Step.objects.filter(stage="cancel_order", business_key__in=list(numbers), proof__has_key=KEPT)


def under_way(numbers: Iterable[str]) -> dict[str, Step]:
    """By order, the first request that is half done and has not ended: another one goes on where it has."""
    found: dict[str, Step] = {}
    for step in requests(numbers).filter(state__in=OPEN).order_by("seq"):
        found.setdefault(step.business_key, step)
    return found


def cut(numbers: Iterable[str]) -> dict[str, dict[str, Cut]]:
    """By order, what billing has cancelled of it by number. One statement."""
    found: dict[str, dict[str, Cut]] = {}
    for step in requests(numbers).order_by("seq").only("business_key", "proof"):
        # What an earlier one cancelled, a later one did not.
        found[step.business_key] = of_step(step) | found.get(step.business_key, {})
    return found


def of_step(step: Step) -> dict[str, Cut]:
    """The same of one request, as it stands in memory."""
    return {name: _cut(name, kept) for name, kept in step.proof.get(KEPT, {}).items()}


def _cut(name: str, kept: Mapping[str, Any]) -> Cut:
    return Cut(name, kept["group"], dt.date.fromisoformat(kept["on"]), dt.datetime.fromisoformat(kept["at"]).date())


def told(numbers: Iterable[str]) -> dict[str, str]:
    """By order, what billing has cancelled of it, and what goes on there: a sentence. Two statements."""
    return tell(cut(numbers))


def tell(cuts: Mapping[str, Mapping[str, Cut]]) -> dict[str, str]:
    """The same of what is known by order. One statement."""
    goes_on: dict[str, list[str]] = {}
    if not cuts:
        return {}
    live = Subscription.objects.filter(order__number__in=list(cuts)).exclude(state__in=ENDED).order_by("number")
    for order, number in live.values_list("order__number", "number"):
        if number not in cuts[order]:
            goes_on.setdefault(order, []).append(number)
    return {number: _sentence(of_it, goes_on.get(number, [])) for number, of_it in cuts.items()}


def _sentence(cuts: Mapping[str, Cut], goes_on: Sequence[str]) -> str:
    days: dict[dt.date, list[str]] = {}
    for one in sorted(cuts.values(), key=lambda each: (each.on, each.number)):
        days.setdefault(one.on, []).append(one.number)
    done = listed([f"{listed(names)} as of {day}" for day, names in days.items()])
    left = f"; {listed(goes_on)} {'go' if len(goes_on) > 1 else 'goes'} on there" if goes_on else ""
    return f"Billing has cancelled {done} already{left}"
