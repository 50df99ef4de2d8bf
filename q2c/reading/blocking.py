"""What stops a close, with which of it stands elsewhere: with the differences to billing, or with what is asked for."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, Sum

from exceptions import tallies
from exceptions.models import Case
from q2c.reading import differences
from q2c.reasons import Reason

_REVERSAL = str(Reason.REVERSAL_APPROVAL_REQUIRED)
_KEYS = ("entity", "period", "reason", "owner_team", "currency")
_SUMMED = ("cases", "amount_minor", "credit_minor")


def rows(user: Any, entity: str = "", period: str = "") -> list[dict[str, Any]]:
    """Those of tallies.blocking, each with `differing` and `asked`: whether they are about a difference, or reversals
    that wait for a second person (asked_for.py). One statement more where such a reversal waits.
    """
    found = tallies.blocking(user, entity, period)
    for row in found:
        row["differing"], row["asked"] = row["reason"] in differences.REASONS, False
    if any(row["reason"] == _REVERSAL for row in found):
        by_key = {_key(row): row for row in found}
        for waits in _reversals(user, entity, period):
            if was := by_key.get(_key(waits)):
                for name in _SUMMED:
                    was[name] -= waits[name]
                found.append({**was, **{name: waits[name] for name in _SUMMED}, "asked": True})
    return [row for row in found if row["cases"] > 0]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEYS)


def _reversals(user: Any, entity: str, period: str) -> list[dict[str, Any]]:
    """Those that wait for a second person, summed as their rows are."""
    chosen = {name: value for name, value in (("entity", entity), ("period", period)) if value}
    asked = Case.objects.visible_to(user).filter(reason=_REVERSAL, state="awaiting_approval", **chosen).order_by()
    minor, below = Sum("amount_minor", default=0), Sum("amount_minor", filter=Q(amount_minor__lt=0), default=0)
    rows = asked.values(*_KEYS).annotate(n=Count("id"), minor=minor, below=below)
    return [
        {name: row[name] for name in _KEYS}
        | {"cases": row["n"], "amount_minor": int(row["minor"]), "credit_minor": int(row["below"])}
        for row in rows
    ]
