"""Orders of which billing has cancelled some subscriptions: kept by the request that got so far, come what may."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from exceptions.sentences import listed
from q2c.models import Order, Step
from q2c.models.step import OPEN
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


def told(order: Order, cuts: Mapping[str, Cut]) -> str:
    """What of the order billing has cancelled, and what not: a sentence; empty where it has cancelled nothing."""
    if not cuts:
        return ""
    days: dict[dt.date, list[str]] = {}
    for one in sorted(cuts.values(), key=lambda each: (each.on, each.number)):
        days.setdefault(one.on, []).append(one.number)
    done = listed([f"{listed(names)} as of {day}" for day, names in days.items()])
    live = order.subscriptions.exclude(number__in=cuts).exclude(state__in=("cancelled", "expired"))
    left = sorted(live.values_list("number", flat=True))
    goes_on = f"; {listed(left)} {'go' if len(left) > 1 else 'goes'} on there" if left else ""
    return f"Billing has cancelled {done} already{goes_on}"
