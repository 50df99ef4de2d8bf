"""What stops a close, with which of it is about a difference to billing: that stands with the differences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Q

from exceptions import tallies
from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c.reading import differences, recorded_otherwise
from q2c.reasons import Reason

_REVERSAL = str(Reason.REVERSAL_APPROVAL_REQUIRED)
_SUMMED = ("cases", "amount_minor", "credit_minor")


def rows(user: Any, entity: str = "", period: str = "") -> list[dict[str, Any]]:
    """Those of tallies.blocking, each with `differing`; a reversal that is asked for is about the difference that it
    takes out of the books. Two statements more where such a reversal waits.
    """
    found = tallies.blocking(user, entity, period)
    for row in found:
        row["differing"] = row["reason"] in differences.REASONS
    if any(row["reason"] == _REVERSAL for row in found):
        by_key = {_key(row): row for row in found}
        for case in _reversals(user, entity, period):
            if was := by_key.get(_key(case)):
                apart = {"cases": 1, "amount_minor": case["amount_minor"] or 0}
                apart["credit_minor"] = min(apart["amount_minor"], 0)
                for name in _SUMMED:
                    was[name] -= apart[name]
                found.append({**was, **apart, "differing": True})
    return [row for row in found if row["cases"] > 0]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("entity", "period", "reason", "owner_team", "currency"))


def _reversals(user: Any, entity: str, period: str) -> Iterator[dict[str, Any]]:
    """Cases of reversals that are asked for, of invoices that billing has otherwise than the books."""
    chosen = {name: value for name, value in (("entity", entity), ("period", period)) if value}
    asked = Case.objects.visible_to(user).filter(reason=_REVERSAL, state__in=UNRESOLVED, **chosen).order_by()
    cases = list(asked.values("entity", "period", "reason", "owner_team", "currency", "amount_minor", "business_key"))
    otherwise = recorded_otherwise.of(user, Q(number__in={case["business_key"] for case in cases})) if cases else []
    numbers = {(one.booked_by, one.number) for one in otherwise}
    return (case for case in cases if (case["entity"], case["business_key"]) in numbers)
