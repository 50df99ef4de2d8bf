"""The flow from left to right, as the control tower shows it: what stands where, what it is worth, how old it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from q2c.reading import held, steps, tallies
from q2c.reading.steps import Standing
from q2c.reading.tallies import Count
from q2c.stages import STAGES


@dataclass(frozen=True, slots=True)
class Leg:
    """One station: its noun, the states it shows in order, which of them are not through yet.

    `apart` says of what fails there that it is none of the records counted: an invoice that was not recorded.
    """

    label: str
    noun: str
    states: tuple[str, ...]
    under_way: tuple[str, ...]
    apart: str = ""


LEGS = (
    Leg(
        "Orders",
        "order",
        ("received", "awaiting_approval", "accepted", "provisioning", "active", "completed", "rejected", "cancelled"),
        ("received", "awaiting_approval", "accepted", "provisioning"),
    ),
    Leg(
        "Billing",
        "subscription",
        ("provisioned", "active", "suspended", "expired", "cancelled"),
        ("provisioned",),
    ),
    Leg(
        "Invoices",
        "invoice",
        ("issued", "recorded", "posted", "partly_paid", "paid", "voided", "credited"),
        ("issued", "recorded"),
        "received but not recorded",
    ),
    Leg(
        "Journals",
        "journal",
        ("drafted", "ready", "posting", "blocked", "posted", "reversed", "superseded"),
        ("drafted", "ready", "posting", "blocked"),
    ),
)
_PAID = ("partly_paid", "paid")


@dataclass(frozen=True, slots=True)
class Station:
    """A leg with its figures. `sums` are of what is under way, as (minor units, currency); `failed` needs a person.

    `credits` is what of the sums is below zero. `held` steps are due and wait behind another one.
    """

    leg: Leg
    counts: list[tuple[str, int]]
    sums: list[tuple[int, str]]
    failed: int
    oldest: dt.datetime | None
    trend: list[int]
    held: int = 0
    credits: list[tuple[int, str]] = field(default_factory=list)
    # In no sum: what mirror entries under way are to take back, as the list of journals tells it.
    mirrors: list[tuple[int, str]] = field(default_factory=list)
    # What failed, where it is none of those counted.
    apart: list[tuple[int, str]] = field(default_factory=list)


def stations(
    user: Any, standing: Sequence[Standing] | None = None, behind: Mapping[tuple[str, str], int] | None = None
) -> list[Station]:
    """The legs whose records the user may see. Cash appears with the first money that came in. Four statements."""
    counted = tallies.counts(user)
    found = steps.standing(user) if standing is None else standing
    waits = held.by_stage(held.counts(user) if behind is None else behind)
    shown = [_station(user, leg, counted[leg.noun], _at(leg, found), waits) for leg in LEGS if leg.noun in counted]
    invoices = counted.get("invoice")
    if invoices and any(invoices.by_state.get(state) for state in _PAID):
        leg = Leg("Cash", "invoice", _PAID, ("partly_paid",))
        shown.append(_station(user, leg, Count(invoices.by_state, invoices.sums, invoices.credits), (), {}))
    return shown


def _at(leg: Leg, standing: Sequence[Standing]) -> list[Standing]:
    """The open steps of the stages that stand behind a leg."""
    return [one for one in standing if _stands(one.stage, leg)]


def _stands(stage: str, leg: Leg) -> bool:
    return stage in STAGES and STAGES[stage].station == leg.noun


def _station(user: Any, leg: Leg, count: Count, standing: Sequence[Standing], waits: Mapping[str, int]) -> Station:
    return Station(
        leg=leg,
        counts=[(state, count.by_state[state]) for state in leg.states if count.by_state.get(state)],
        sums=count.sums_of(leg.under_way),
        credits=count.credits_of(leg.under_way),
        mirrors=count.mirrors_of(leg.under_way),
        apart=steps.stopped_worth(user, {one.stage for one in standing}) if leg.apart and standing else [],
        failed=sum(one.steps for one in standing if one.state == "failed"),
        # What is booked and was changed since waits for nothing in this leg.
        oldest=steps.oldest(one for one in standing if one.state != steps.CHANGED),
        held=sum(number for stage, number in waits.items() if _stands(stage, leg)),
        trend=list(count.by_day.values()) if any(count.by_day.values()) else [],
    )
