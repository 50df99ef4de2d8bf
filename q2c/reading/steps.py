"""What the steps stand at: read from those that are open, which are few whatever the history."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q, Sum

from q2c import clock
from q2c.models import Step
from q2c.models.step import DUE
from q2c.reasons import APPROVALS, Reason
from q2c.stages import STAGES

# What waits for a later day (phases that have not begun) may be millions: it is counted apart, off the index alone.
SOON_S = 3600
# A failed step of what is booked, and was changed in billing since.
CHANGED = "changed_since"
_DUE = ", ".join(f"'{state}'" for state in DUE)
# What waits for a second person's word has stopped, and has not failed.
_ASKED = """reason = ANY(%(asked)s) AND EXISTS (
    SELECT FROM exceptions_case c WHERE c.step_id = s.id AND c.state = 'awaiting_approval')"""
_SOON = f"""
SELECT stage, connection, state, count(*), count(*) FILTER (WHERE next_at <= %(now)s),
       min(created_at) FILTER (WHERE next_at <= %(now)s)
FROM q2c_step WHERE state IN ({_DUE}) AND stage = ANY(%(stages)s) AND next_at <= %(soon)s GROUP BY 1, 2, 3
UNION ALL
SELECT stage, connection,
       CASE WHEN {_ASKED} THEN 'awaiting_approval' WHEN reason = '{Reason.INVOICE_CHANGED}' THEN '{CHANGED}'
            ELSE state END, count(*), count(*), min(created_at)
FROM q2c_step s WHERE state = 'failed' GROUP BY 1, 2, 3
UNION ALL
SELECT stage, connection, state, count(*), count(*), min(created_at)
FROM q2c_step WHERE state = 'running' GROUP BY 1, 2, 3
"""
_LATER = f"SELECT stage, count(*) FROM q2c_step WHERE state IN ({_DUE}) AND next_at > %s GROUP BY 1"


@dataclass(frozen=True, slots=True)
class Standing:
    """Open steps of one stage, connection and state, without what waits for a later day.

    `state` is that of the steps, or awaiting_approval, or changed_since: of what is booked, and was changed in billing.
    `due` are those whose turn has come, or that stopped; the rest comes within the hour.
    """

    stage: str
    connection: str
    state: str
    steps: int
    due: int
    oldest: dt.datetime | None


def standing(user: Any) -> list[Standing]:
    """Every open step that is due within the hour, under way or stopped; one statement over these alone."""
    if not _may_see(user):
        return []
    moment = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(_SOON, _asked(moment))
        return [Standing(*row) for row in cursor.fetchall()]


def _asked(moment: dt.datetime) -> dict[str, Any]:
    soon, asked = moment + clock.seconds(SOON_S), [str(reason) for reason in APPROVALS]
    return {"now": moment, "soon": soon, "stages": list(STAGES), "asked": asked}


def stopped_worth(user: Any, stages: Iterable[str]) -> list[tuple[int, str]]:
    """What the failed steps of these stages are about: (minor units, currency), charges and credits apart."""
    if not _may_see(user):
        return []
    found = Step.objects.filter(state="failed", stage__in=list(stages), amount_minor__isnull=False).exclude(currency="")
    found = found.exclude(reason=Reason.INVOICE_CHANGED)
    signed = found.order_by().annotate(is_credit=Q(amount_minor__lt=0)).values("currency", "is_credit")
    return [(int(row["minor"]), row["currency"]) for row in signed.annotate(minor=Sum("amount_minor"))]


def later(user: Any) -> dict[str, int]:
    """Stage → how many of its steps wait for a later day."""
    if not _may_see(user):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_LATER, [clock.now() + clock.seconds(SOON_S)])
        return dict(cursor.fetchall())


def _may_see(user: Any) -> bool:
    return bool(user.is_active and user.has_perm("q2c.view_step"))


def by_state(found: Iterable[Standing]) -> dict[str, int]:
    """How many in each state."""
    sums: dict[str, int] = {}
    for one in found:
        sums[one.state] = sums.get(one.state, 0) + one.steps
    return sums


def oldest(found: Iterable[Standing]) -> dt.datetime | None:
    return min((one.oldest for one in found if one.oldest), default=None)
