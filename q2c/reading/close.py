"""What blocks the close: unresolved cases by legal entity and period, from the counts the database keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exceptions import tallies
from ledger.models import FiscalPeriod


@dataclass(frozen=True, slots=True)
class Blocked:
    """One entity's period: how many cases, their sums as (minor units, currency), the reasons, the states it is in.

    `query` is what the queue is asked to show exactly these cases.
    """

    entity: str
    period: str
    cases: int
    sums: list[tuple[int, str]]
    reasons: list[tuple[str, int]]
    period_states: list[tuple[str, str]]
    query: str


def blocked(user: Any) -> list[Blocked]:
    """Newest period first, then by entity; cases that belong to no period are left out. Two statements."""
    rows = [row for row in tallies.blocking(user) if row["period"]]
    keys = sorted({(row["period"], row["entity"]) for row in rows}, key=lambda key: (_downwards(key[0]), key[1]))
    states = _period_states({entity for _, entity in keys}, {period for period, _ in keys})
    return [
        _one([row for row in rows if (row["period"], row["entity"]) == key], key, states.get((key[1], key[0]), []))
        for key in keys
    ]


def _downwards(period: str) -> tuple[int, ...]:
    return tuple(-ord(letter) for letter in period)


def _one(rows: Sequence[dict[str, Any]], key: tuple[str, str], states: list[tuple[str, str]]) -> Blocked:
    period, entity = key
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons[row["reason"]] += row["cases"]
    asked = [f"entity:{entity}"] if entity else []
    return Blocked(
        entity=entity,
        period=period,
        cases=sum(row["cases"] for row in rows),
        sums=[(row["amount_minor"], row["currency"]) for row in rows if row["currency"]],
        reasons=reasons.most_common(),
        period_states=states,
        query=" ".join([*asked, f"period:{period}"]),
    )


def _period_states(entities: set[str], periods: set[str]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    rows = FiscalPeriod.objects.filter(entity__code__in=entities, name__in=periods)
    for entity, name, subledger, state in rows.values_list("entity__code", "name", "subledger", "state").order_by(
        "subledger"
    ):
        found.setdefault((entity, name), []).append((subledger, state))
    return found
