"""What a system told without the right to, and is booked as one told it that may: that claims no money of its own.

An entity gives a number once. Not booked, it may be money that is missing: it counts until its case ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from exceptions.raw import worth_nothing
from q2c.models import Invoice

# The code of its case.
FORBIDDEN = "forbidden"
# Legal entity and number.
Named = tuple[str, str]


def booked(named: Collection[Named]) -> dict[Named, Invoice]:
    """By whoever told of them. One statement."""
    if not named:
        return {}
    rows = Invoice.objects.filter(number__in={number for _, number in named}).exclude(state="voided")
    found = {(one.entity, one.number): one for one in rows}
    return {name: found[name] for name in named if name in found}


def recorded(invoices: Iterable[Invoice], actor: str) -> None:
    """These were recorded just now: what was told of them without the right to claims nothing any more."""
    there = {(one.entity, one.number): one for one in invoices}
    told = Case.objects.filter(code=FORBIDDEN, business_key__in={number for _, number in there}, state__in=UNRESOLVED)
    rows = told.exclude(amount_minor=0).values_list("id", "source", "entity", "business_key") if there else ()
    # What a system sent before it was given the right is a version of its own.
    said = {
        id_: there[entity, number]
        for id_, source, entity, number in rows
        if (entity, number) in there and there[entity, number].source[:60] != source
    }
    worth_nothing({id_: f"{one.number} is booked, as {one.source} told of it" for id_, one in said.items()}, actor)
