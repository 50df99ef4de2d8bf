"""What people do with cases. Each verb asks for its right, takes many cases, and says what it left and why.

Ids that the person may not see are left as unknown. What is refused for want of a right is on the timeline.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model

from exceptions import approvals, calendars, moves, rights, rowsets, timeline
from exceptions.done import Done
from exceptions.errors import NotPossible
from exceptions.models import Case, Comment, Team
from exceptions.models.case import ROOT_CAUSES, TO_DO, UNRESOLVED
from q2c import clock, states

KEEP: Any = object()


@contextmanager
def _working(
    user: Any, case_ids: Sequence[uuid.UUID], what: str, allowed: Sequence[str], right: str = rights.WORK, why: str = ""
) -> Iterator[tuple[list[Case], Done]]:
    """The cases held that are in an allowed state, inside one transaction that acts as the person."""
    rights.require(user, right, what, list(Case.objects.filter(id__in=case_ids).values_list("id", flat=True)))
    result = Done()
    with states.acting(rights.name_of(user), why):
        visible = set(Case.objects.visible_to(user).filter(id__in=case_ids).values_list("id", flat=True))
        held = {case.id: case for case in moves.held(id__in=list(visible))}
        for case_id in case_ids:
            case = held.get(case_id)
            if case is None:
                result.left[case_id] = "there is no such case"
            elif case.state not in allowed:
                result.left[case_id] = f"{case.shown} is {case.state.replace('_', ' ')}"
        yield [case for case in held.values() if case.state in allowed], result


def assign(user: Any, case_ids: Sequence[uuid.UUID], *, team: str | None = None, assignee: Any = KEEP) -> Done:
    """Give cases to a team, to a person, or to nobody (assignee=None). A new team drops the person, unless named."""
    if team is None and assignee is KEEP:
        raise NotPossible("Name a team or a person")
    if team is not None and not Team.objects.filter(code=team).exists():
        raise NotPossible(f"There is no team {team}")
    if assignee is not KEEP and assignee is not None and not assignee.is_active:
        raise NotPossible(f"{rights.called(assignee)} no longer works here")
    with _working(user, case_ids, "assign cases", UNRESOLVED) as (cases, result):
        known = calendars.of_teams({team}) if team else {}
        rows, entries = [], []
        for case in cases:
            moves = team is not None and team != case.owner_team_id
            if moves and case.state != "snoozed":
                case.due_at = known[team].after(case.level_from, case.level_h * 3600 + case.paused_s)  # type: ignore[index]
            person = (None if moves else case.assignee_id) if assignee is KEEP else assignee and assignee.pk
            rows.append(
                {"id": case.id, "owner_team": team or case.owner_team_id, "assignee": person, "due_at": case.due_at,
                 "owner_by_hand": case.owner_by_hand or moves}
            )  # fmt: skip
            named = [
                part
                for part in (team if moves else "", rights.called(assignee) if person and assignee is not KEEP else "")
                if part
            ]
            text = f"to {', '.join(named)}" if named else "to nobody" if person is None else "unchanged"
            entries.append((case.id, "assigned", text, {"team": rows[-1]["owner_team"], "assignee": person}))
        result.done = rowsets.update(Case, rows)
        timeline.record(entries, rights.name_of(user))
    return result


def claim(user: Any, case_ids: Sequence[uuid.UUID]) -> Done:
    """Take cases oneself, and begin. What another person has is left: it is assigned, not claimed, away."""
    with _working(user, case_ids, "claim cases", TO_DO) as (cases, result):
        mine = []
        for case in cases:
            if case.assignee_id not in (None, user.pk):
                result.left[case.id] = f"{case.shown} belongs to {_person(case.assignee_id)}"
            else:
                mine.append(case)
        result.done = rowsets.update(Case, [{"id": case.id, "assignee": user.pk} for case in mine])
        states.move(Case, "start", result.done)
        timeline.record([(case_id, "claimed", "", {}) for case_id in result.done], rights.name_of(user))
    return result


def release(user: Any, case_ids: Sequence[uuid.UUID]) -> Done:
    """Put cases back for others of the team."""
    with _working(user, case_ids, "release cases", TO_DO) as (cases, result):
        result.done = rowsets.update(Case, [{"id": case.id, "assignee": None} for case in cases])
        states.move(Case, "release", result.done)
        timeline.record([(case_id, "released", "", {}) for case_id in result.done], rights.name_of(user))
    return result


def comment(user: Any, case_ids: Sequence[uuid.UUID], text: str) -> Done:
    """Write on cases, whatever their state."""
    text = rowsets.storable(text.strip())
    if not text:
        raise NotPossible("Write something")
    everything = states.states(Case)
    with _working(user, case_ids, "comment on cases", everything) as (cases, result):
        now = clock.now()
        rows = [{"case": case.id, "author": user.pk, "at": now, "text": text} for case in cases]
        rowsets.insert(Comment, rows)
        result.done = [case.id for case in cases]
        timeline.record([(case_id, "commented", text, {}) for case_id in result.done], rights.name_of(user))
    return result


def snooze(
    user: Any,
    case_ids: Sequence[uuid.UUID],
    *,
    until: dt.datetime | None = None,
    until_blocker: bool = False,
    why: str = "",
) -> Done:
    """Out of the queue until a time, until the blocker goes away, or whichever comes first. The clock stands still."""
    if until is None and not until_blocker:
        raise NotPossible("Say until when, or until the blocker is gone", "until", "Send until, or until_blocker: true")
    if until is not None and (until.tzinfo is None or until <= clock.now()):
        raise NotPossible(
            "That time has passed; choose a later one", "until", f"Later than {clock.now():%Y-%m-%dT%H:%MZ}"
        )
    with _working(user, case_ids, "snooze cases", TO_DO, why=why) as (cases, result):
        fit = [case for case in cases if until is not None or case.blocker_is_watched]
        for case in cases:
            if case not in fit:
                result.left[case.id] = f"{case.shown} names no blocker that somebody looks at; give a time"
        result.done = states.move(
            Case,
            "snooze",
            [case.id for case in fit],
            snoozed_at=clock.now(),
            snoozed_until=until,
            snooze_until_blocker=until_blocker,
        )
        when = f"until {until:%Y-%m-%d %H:%M %Z}" if until else "until its blocker is gone"
        text = f"{when}: {why}" if why else when
        data = {"until": until.isoformat() if until else None, "until_blocker": until_blocker}
        timeline.record([(case_id, "snoozed", text, data) for case_id in result.done], rights.name_of(user))
    return result


def wake(user: Any, case_ids: Sequence[uuid.UUID]) -> Done:
    """Back into the queue, before their time."""
    with _working(user, case_ids, "wake cases", ("snoozed",)) as (cases, result):
        result.done = rouse(cases, rights.name_of(user), "")
    return result


def rouse(cases: Sequence[Case], actor: str, why: str) -> list[uuid.UUID]:
    """Wake held cases; their service levels run on."""
    moves.resume_clocks(cases)
    woken = states.move(Case, "wake", [case.id for case in cases], **moves.AWAKE)
    moves.go_on(woken)
    timeline.record([(case_id, "woken", why, {}) for case_id in woken], actor)
    return woken


def wake_due(actor: str = "clock", limit: int = 1000) -> int:
    """Wake what has slept long enough: for the sweeper. Returns how many."""
    with states.acting(actor, "its time has come"):
        due = Case.objects.filter(state="snoozed", snoozed_until__lte=clock.now()).order_by("snoozed_until")
        return len(rouse(moves.held(id__in=list(due.values_list("id", flat=True)[:limit])), actor, "its time has come"))


def close_without_fix(user: Any, case_ids: Sequence[uuid.UUID], why: str, root_cause: str) -> Done:
    """Ask that nothing be done about them. A second person decides (exceptions/approvals.py)."""
    if not why.strip():
        raise NotPossible("Say why nothing will be done; a second person decides on it")
    if root_cause not in ROOT_CAUSES:
        raise NotPossible(f"Choose a root cause: {', '.join(ROOT_CAUSES)}")
    what = (approvals.CLOSE, "close cases without a fix", rights.CLOSE)
    return _ask(user, case_ids, what, why, root_cause=root_cause)


def redate(user: Any, case_id: uuid.UUID, why: str, **days: str) -> Done:
    """Ask that what the case is about be booked on another day; a second person decides."""
    if not why.strip():
        raise NotPossible("Say why it is re-dated; whoever decides reads it")
    what = (approvals.REDATE, "ask for another date", approvals.RIGHTS[approvals.REDATE])
    return _ask(user, [case_id], what, why, **days)


def _ask(user: Any, case_ids: Sequence[uuid.UUID], what: tuple[str, str, str], why: str, **data: str) -> Done:
    """`what` is (action, in words, right). The cases wait for a second person."""
    action, words, right = what
    with _working(user, case_ids, words, (*TO_DO, "snoozed"), right, why) as (cases, result):
        moves.resume_clocks(cases)
        result.done = states.move(Case, "ask_approval", [case.id for case in cases], **moves.AWAKE)
        approvals.ask(cases, action, why, user.pk, clock.now(), **data)
        told = {"action": action, **data}
        timeline.record([(case_id, "approval_requested", why, told) for case_id in result.done], rights.name_of(user))
    return result


def _person(pk: Any) -> str:
    return rights.called(get_user_model().objects.get(pk=pk))


# For pages that offer them by name.
VERBS: dict[str, Callable[..., Done]] = {
    "assign": assign,
    "claim": claim,
    "release": release,
    "comment": comment,
    "snooze": snooze,
    "wake": wake,
    "close_without_fix": close_without_fix,
}
