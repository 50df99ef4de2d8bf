"""What stops a close, with which of it stands elsewhere: with the differences to billing, or with what is asked for."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from exceptions import tallies
from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c.reading import differences
from q2c.reasons import Reason

_REVERSAL, _CHANGED = str(Reason.REVERSAL_APPROVAL_REQUIRED), str(Reason.INVOICE_CHANGED)
_KEYS = ("entity", "period", "reason", "owner_team", "currency")
_SUMMED = ("cases", "amount_minor", "credit_minor")


def rows(user: Any, entity: str = "", period: str = "") -> list[dict[str, Any]]:
    """Those of tallies.blocking, each with `differing` and `asked`: whether they are about a difference, or reversals
    that wait for a second person (asked_for.py). One statement more where such a reversal waits, and one where
    something was changed that is booked: what another system than billing says anew of it is no difference of its own.
    """
    found = tallies.blocking(user, entity, period)
    reasons = {row["reason"] for row in found}
    for row in found:
        row["differing"], row["asked"] = row["reason"] in differences.REASONS, False
    chosen = {name: value for name, value in (("entity", entity), ("period", period)) if value}
    cases = Case.objects.visible_to(user).filter(**chosen)
    if _REVERSAL in reasons:
        _set_apart(found, cases.filter(reason=_REVERSAL, state="awaiting_approval"), asked=True)
    if _CHANGED in reasons:
        beside = cases.filter(reason=_CHANGED, context__findings__0__differs=None)
        _set_apart(found, beside.filter(state__in=UNRESOLVED), differing=False)
    return [row for row in found if row["cases"] > 0]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEYS)


def _set_apart(found: list[dict[str, Any]], cases: QuerySet[Case], **told: bool) -> None:
    """Some of the cases get rows of their own, of which that is told."""
    by_key = {_key(row): row for row in found}
    for some in _summed(cases):
        if was := by_key.get(_key(some)):
            for name in _SUMMED:
                was[name] -= some[name]
            found.append({**was, **{name: some[name] for name in _SUMMED}, **told})


def _summed(cases: QuerySet[Case]) -> list[dict[str, Any]]:
    """As the rows of tallies.blocking are."""
    minor, below = Sum("amount_minor", default=0), Sum("amount_minor", filter=Q(amount_minor__lt=0), default=0)
    rows = cases.order_by().values(*_KEYS).annotate(n=Count("id"), minor=minor, below=below)
    return [
        {name: row[name] for name in _KEYS}
        | {"cases": row["n"], "amount_minor": int(row["minor"]), "credit_minor": int(row["below"])}
        for row in rows
    ]
