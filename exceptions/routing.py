"""Policies at work: who owns a reason and until when. They apply to what is already open, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from exceptions import calendars, rowsets, timeline
from exceptions.models import Case, Policy, Problem, Team
from exceptions.models.case import UNRESOLVED
from exceptions.policies import POLICIES, TEAMS
from q2c import clock
from q2c.reasons import Reason

# Who seeds says so in the history; a person who edits is named there.
_SEEDED = "default"
# What follows the table: how a reason is told and put right. Owner, level and budget are the company's once seeded.
_TEXTS = ("title", "sentence", "look", "fix", "replay", "fix_kind")


def sync_policies() -> list[str]:
    """Add the teams and policies that are missing, and bring each text that no person has edited to what the table says
    now. Returns the reasons added.
    """
    with transaction.atomic():
        present = set(Team.objects.values_list("code", flat=True))
        teams = [Team(code=code, name=name) for code, name in TEAMS.items() if code not in present]
        bulk_create_with_history(teams, Team, default_change_reason=_SEEDED, default_date=clock.now())
        _renew_texts()
        known = set(Policy.objects.values_list("reason", flat=True))
        missing = [default(reason) for reason in POLICIES if reason.value not in known]
        bulk_create_with_history(missing, Policy, default_change_reason=_SEEDED, default_date=clock.now())
    return [policy.reason for policy in missing]


def _renew_texts() -> None:
    known = {reason.value: default(reason) for reason in POLICIES}
    behind = [
        policy
        for policy in Policy.objects.filter(reason__in=known).order_by("reason").select_for_update(of=("self",))
        if any(getattr(policy, name) != getattr(known[policy.reason], name) for name in _TEXTS)
    ]
    ours = _seeded_texts(behind)
    renewed = []
    for policy in behind:
        new = {name: getattr(known[policy.reason], name) for name in ours[policy.reason]}
        if any(getattr(policy, name) != text for name, text in new.items()):
            for name, text in new.items():
                setattr(policy, name, text)
            renewed.append(policy)
    bulk_update_with_history(renewed, Policy, list(_TEXTS), default_change_reason=_SEEDED, default_date=clock.now())


def _seeded_texts(policies: Sequence[Policy]) -> dict[str, set[str]]:
    """By reason, the texts that seeding was the last to write. Each row of a history holds every field, so whose one is
    is told by the row that changed it; what stands in no history is nobody's to change.
    """
    ours: dict[str, set[str]] = {policy.reason: set() for policy in policies}
    before: dict[str, Any] = {}
    for row in Policy.history.filter(reason__in=ours).order_by("history_id"):
        last, before[row.reason] = before.get(row.reason), row
        written = {name for name in _TEXTS if last is None or getattr(last, name) != getattr(row, name)}
        if row.history_user_id is None and row.history_change_reason == _SEEDED:
            ours[row.reason] |= written
        else:
            ours[row.reason] -= written
    for policy in policies:
        last = before.get(policy.reason)
        ours[policy.reason] = {n for n in ours[policy.reason] if getattr(last, n) == getattr(policy, n)}
    return ours


def default(reason: Reason) -> Policy:
    """The policy that the table gives a reason, unsaved."""
    row = POLICIES[reason]
    return Policy(
        reason=reason.value,
        title=row.title,
        sentence=row.sentence,
        owner_team_id=row.owner,
        severity=row.severity,
        service_level_h=row.hours,
        retry_attempts=row.retry.attempts,
        retry_first_s=row.retry.first_s,
        retry_max_s=row.retry.max_s,
        look=row.look,
        fix=row.fix,
        replay=row.replay,
        fix_kind=row.fix_kind,
    )


def policies_for(reasons: Iterable[str]) -> dict[str, Policy]:
    """Policies by reason. A reason that nobody seeded yet is seeded now, so a failure always finds its owner."""
    wanted = {str(reason) for reason in reasons}
    found = Policy.objects.in_bulk(list(wanted))
    if len(found) < len(wanted):
        sync_policies()
        found = Policy.objects.in_bulk(list(wanted))
    return found


def reroute(reason: str, actor: str) -> int:
    """Bring unresolved cases and problems of a reason under its policy as it is now. Returns how many cases changed.

    A case that a person gave to a team stays there; severity and service level follow the policy all the same.
    """
    with transaction.atomic():
        policy = Policy.objects.get(reason=reason)
        cases = list(
            Case.objects.filter(reason=reason, state__in=UNRESOLVED)
            .order_by("id")
            .select_for_update()
            .only("id", "owner_team_id", "owner_by_hand", "severity", "level_from", "level_h", "paused_s", "due_at")
        )
        known = calendars.of_teams()
        rows, moved = [], []
        for case in cases:
            team = case.owner_team_id if case.owner_by_hand else policy.owner_team_id
            due_at = known[team].after(case.level_from, policy.service_level_h * 3600 + case.paused_s)
            if (team, due_at, policy.severity) == (case.owner_team_id, case.due_at, case.severity):
                continue
            rows.append(
                {"id": case.id, "owner_team": team, "due_at": due_at, "severity": policy.severity,
                 "level_h": policy.service_level_h}
            )  # fmt: skip
            moved.append((case.id, f"{case.owner_team_id} → {team}, due {due_at:%Y-%m-%d %H:%M} UTC"))
        rowsets.update(Case, rows)
        Problem.objects.filter(reason=reason, state="open", kind="cases").update(
            owner_team=policy.owner_team, severity=policy.severity
        )
        timeline.record([(case_id, "rerouted", text, {"policy": reason}) for case_id, text in moved], actor)
    return len(rows)
