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
    """One subscription that billing has cancelled: as of when, and the day on which that was done here.

    `asked` is the day that was asked for, where billing had ended it before.
    """

    number: str
    group: str
    on: dt.date
    done_on: dt.date
    asked: dt.date | None = None


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
    asked = dt.date.fromisoformat(kept["asked"]) if "asked" in kept else None
    done_on = dt.datetime.fromisoformat(kept["at"]).date()
    return Cut(name, kept["group"], dt.date.fromisoformat(kept["on"]), done_on, asked)


def ended_before(cuts: Mapping[str, Cut]) -> str:
    """What billing had ended before the day that was asked for, with both days; empty where that is nothing."""
    done = _listed([one for one in cuts.values() if one.asked])
    return f"billing had ended {done} already" if done else ""


def told(numbers: Iterable[str]) -> dict[str, str]:
    """By order, what billing has cancelled of it, and what goes on there: a sentence. Two statements."""
    return tell(cut(numbers))


def tell(cuts: Mapping[str, Mapping[str, Cut]]) -> dict[str, str]:
    """The same of what is known by order. One statement."""
    goes_on: dict[str, list[str]] = {}
    if not cuts:
        return {}
    # What billing ends by itself before the order does is told beside this.
    live = Subscription.objects.filter(order__number__in=list(cuts), ended_there_on=None).exclude(state__in=ENDED)
    live = live.order_by("number")
    for order, number in live.values_list("order__number", "number"):
        if number not in cuts[order]:
            goes_on.setdefault(order, []).append(number)
    return {number: _sentence(of_it, goes_on.get(number, [])) for number, of_it in cuts.items()}


def _sentence(cuts: Mapping[str, Cut], goes_on: Sequence[str]) -> str:
    done = _listed(cuts.values())
    left = f"; {listed(goes_on)} {'go' if len(goes_on) > 1 else 'goes'} on there" if goes_on else ""
    return f"Billing has cancelled {done} already{left}"


def _listed(cuts: Iterable[Cut]) -> str:
    days: dict[str, list[str]] = {}
    for one in sorted(cuts, key=lambda each: (each.on, each.number)):
        asked = f" (asked for as of {one.asked})" if one.asked else ""
        days.setdefault(f"as of {one.on}{asked}", []).append(one.number)
    return listed([f"{listed(names)} {day}" for day, names in days.items()])
