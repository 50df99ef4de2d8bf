"""The counts beside tabs and filters, read from the differences that the database appends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Q, Sum

from exceptions.models import Case, Facet
from exceptions.models.case import REPLAYABLE, UNRESOLVED

# In place of the reason of a case whose cause is gone: it is ready to replay, as far as anybody knows.
CAUSE_GONE = "cause_gone"
_DIMENSIONS = ("state", "reason", "owner_team", "severity", "entity", "period", "currency")
_FOLD = """
WITH gone AS (DELETE FROM {table} RETURNING *)
INSERT INTO {table} ({keys}, {sums}{more}) SELECT {keys}, {summed}{kept} FROM gone GROUP BY {keys} {having}
"""


def fold() -> None:
    """Add up the differences. Run now and then; one at a time, and readers see the same sums before and after."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('exceptions_fold'))")
        if cursor.fetchone() != (True,):
            return
        sums = {"sums": "cases, amount_minor", "summed": "sum(cases), sum(amount_minor)"}
        having = "HAVING sum(cases) <> 0 OR sum(amount_minor) <> 0"
        cursor.execute(
            _FOLD.format(table="exceptions_facet", keys=", ".join(_DIMENSIONS), more="", kept="", having=having, **sums)
        )
        # Rows of a problem stay though they cancel out: they know when it was first and last seen.
        cursor.execute(
            _FOLD.format(
                table="exceptions_problemamount",
                keys="problem_id, state, entity, period, currency",
                more=", first_at, last_at",
                kept=", min(first_at), max(last_at)",
                having="",
                **sums,
            )
        )


def _counted(user: Any) -> tuple[Any, Any]:
    """What is counted, and how many cases a row of it stands for. Differences say nothing of where cases came from, so
    for the key of a system its own cases are counted themselves."""
    if getattr(user, "reads_only", ""):
        return Case.objects.visible_to(user), Count("pk")
    return Facet.objects.all(), Sum("cases")


def counts(user: Any, by: str, **filters: Any) -> dict[str, int]:
    """Cases by one dimension (state, reason, owner_team, severity, entity, period, currency), zeros left out.

    `filters` are of the same dimensions: counts(user, "reason", state__in=TO_DO, entity="DE").
    """
    if by not in _DIMENSIONS:
        raise ValueError(f"cases are not counted by {by}; there are {', '.join(_DIMENSIONS)}")
    if not user.has_perm("exceptions.view_case"):
        return {}
    counted, number = _counted(user)
    rows = counted.filter(**filters).values(by).annotate(n=number).filter(n__gt=0).order_by(by)
    return {row[by]: row["n"] for row in rows}


def blocking(user: Any, entity: str = "", period: str = "") -> list[dict[str, Any]]:
    """What stops a close: unresolved cases by entity, period, reason and currency: {…, cases, amount_minor,
    credit_minor}, the last being what of the amount are credits, below zero or 0. A cause that is gone is told as
    CAUSE_GONE, or as what was found behind it. Three statements.
    """
    if not user.has_perm("exceptions.view_case"):
        return []
    keys: Sequence[str] = ("entity", "period", "reason", "owner_team", "currency")
    chosen = {name: value for name, value in (("entity", entity), ("period", period)) if value}
    counted, number = _counted(user)
    rows = counted.filter(state__in=UNRESOLVED, **chosen).values(*keys)
    summed = rows.annotate(n=number, minor=Sum("amount_minor", default=0)).filter(n__gt=0).order_by(*keys)
    below = Case.objects.visible_to(user).filter(state__in=UNRESOLVED, amount_minor__lt=0, **chosen).order_by()
    credits = {
        tuple(row[name] for name in keys): int(row["minor"])
        for row in below.values(*keys).annotate(minor=Sum("amount_minor"))
    }
    found = [
        {name: row[name] for name in keys}
        | {"cases": row["n"], "amount_minor": row["minor"]}
        | {"credit_minor": credits.get(tuple(row[name] for name in keys), 0)}
        for row in summed
    ]
    return _as_found_next(user, found, chosen, keys)


def _as_found_next(
    user: Any, rows: list[dict[str, Any]], chosen: Mapping[str, str], keys: Sequence[str]
) -> list[dict[str, Any]]:
    """The same, with each case whose cause is gone under what its dry run found in its way next, or under CAUSE_GONE
    where nothing is known to be. One statement."""
    freed = Case.objects.visible_to(user).filter(state__in=REPLAYABLE, blocker_gone_at__isnull=False, **chosen)
    below = Sum("amount_minor", filter=Q(amount_minor__lt=0), default=0)
    summed = freed.order_by().values(*keys, "next_cause__reason")
    by_key = {tuple(row[name] for name in keys): row for row in rows}
    for row in summed.annotate(n=Count("pk"), minor=Sum("amount_minor", default=0), below=below):
        was = by_key.get(tuple(row[name] for name in keys))
        reason = row["next_cause__reason"] or CAUSE_GONE
        if was is None or reason == was["reason"]:
            continue
        moved = {"cases": row["n"], "amount_minor": int(row["minor"]), "credit_minor": int(row["below"])}
        rows.append({**was, "reason": reason, **moved})
        for name, value in moved.items():
            was[name] -= value
    return [row for row in rows if row["cases"] > 0]
