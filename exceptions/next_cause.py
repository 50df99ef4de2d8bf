"""What stands in the way of a case next, once its cause is gone: found by a dry run, kept with the case until it fails.

A dry run moves nothing, so the case stays with those who have it, and tells for whom the next cause is. A replay that
fails for it hands the case over, as any failure does (exceptions/cases.py).
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q

from exceptions import routing, rowsets
from exceptions.models import Case, Team
from exceptions.models.case import REPLAYABLE

Finding = Mapping[str, Any]


def found(told: Mapping[uuid.UUID, Sequence[Finding]], since: dt.datetime) -> None:
    """Keep what dry runs begun at `since` found: by case its findings as JSON, none where it would pass.

    What failed meanwhile, or is changed by somebody else at this moment, is left as it is.
    """
    with transaction.atomic():
        there = Case.objects.filter(id__in=list(told), state__in=REPLAYABLE, last_failed_at__lte=since)
        cases = list(there.exclude(blocker_type="").order_by("id").select_for_update(skip_locked=True, of=("self",)))
        next_ = {case.id: _next(case, told[case.id]) for case in cases}
        policies = routing.policies_for(str(one["reason"]) for one in next_.values() if one)
        teams = dict(Team.objects.values_list("code", "name")) if policies else {}
        rows = []
        for case in cases:
            one = next_[case.id]
            policy = policies[str(one["reason"])] if one else None
            kept = None
            if one is not None and policy is not None:
                kept = {**one, "title": policy.title, "team": teams[policy.owner_team_id], "at": since.isoformat()}
            if kept is not None or case.next_cause is not None:
                rows.append({"id": case.id, "next_cause": kept})
        if rows:
            rowsets.update(Case, rows)


def meeting(object_key: str, object_type: str = "") -> Q:
    """The cases whose cause is gone and that would meet this object next, as their last dry run found."""
    there = Q(state__in=REPLAYABLE, blocker_gone_at__isnull=False, next_cause__blocker__object_key=object_key)
    return there & Q(next_cause__blocker__object_type=object_type) if object_type else there


def _next(case: Case, findings: Sequence[Finding]) -> Finding | None:
    """The first finding, unless the cause that the case has is still among them."""
    if any(_blocker(one) == case.blocker for one in findings):
        return None
    return findings[0] if findings else None


def _blocker(finding: Finding) -> tuple[str, str, str, str] | None:
    of = finding.get("blocker")
    return (of["connection"], of["object_type"], of["object_key"], of["condition"]) if of else None
