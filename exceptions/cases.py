"""What the engine says about cases. Each verb takes a batch and runs inside the engine's transaction.

In one transaction call open_for before resolve_for (exceptions/problems.py tells why). None of them raises for
what a platform said, however long or odd; none makes a call.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from exceptions import approvals, batches, calendars, failures, moves, problems, rowsets, timeline, unblock
from exceptions.failures import Failure
from exceptions.models import Case, Policy
from exceptions.models.case import ENDED, RESOLUTIONS, UNRESOLVED
from exceptions.routing import policies_for
from q2c import clock, states
from q2c.reasons import APPROVALS

__all__ = ["Failure", "open_for", "outcome_unknown", "replaying", "resolve_for", "sent", "take_up"]

# What a case that is open again has no more.
_UNENDED: dict[str, Any] = {"resolved_at": None, "resolution": "", "root_cause": "", "document": ""}


def open_for(found: Iterable[Failure], actor: str) -> dict[uuid.UUID, uuid.UUID]:
    """Open the case of each step, or strike the one it has: {step id: case id}.

    A replaying case is open again; an ended one is reopened for the same cause, opened anew for another; any other
    stays where it is. Another cause moves it to the other problem and the other owner, and restarts its clock.
    """
    by_step = {failure.step_id: failure for failure in found}
    if not by_step:
        return {}
    with transaction.atomic():
        states.say(actor)
        now = clock.now()
        policies = policies_for(failure.reason for failure in by_step.values())
        problem_ids = problems.ensure(by_step.values(), policies, now)
        due = _due_by_reason(policies, now)
        known = {case.step_id: case for case in moves.held(step_id__in=list(by_step))}
        fresh = [failure for step_id, failure in by_step.items() if step_id not in known]
        rows = [
            failures.new_columns(
                f, policies[str(f.reason)], problem_ids[failures.fingerprint(f)], now, due[str(f.reason)]
            )
            for f in fresh
        ]
        rowsets.insert(Case, rows)
        timeline.record([(row["id"], "opened", row["text"], {"reason": row["reason"]}) for row in rows], actor)
        strikes = [
            _Strike(case, by_step[case.step_id], policies, problem_ids, now, due)  # type: ignore[index]
            for case in known.values()
        ]
        _strike(strikes, actor)
        told = {row["id"]: by_step[row["step_id"]] for row in rows}
        told |= {strike.case.id: strike.failure for strike in strikes}
        _ask_where_needed(told, now, actor)
        unblock.blocked_again({f.blocker for f in by_step.values() if f.blocker})
        return {row["step_id"]: row["id"] for row in rows} | {step_id: case.id for step_id, case in known.items()}  # type: ignore[misc]


def _due_by_reason(policies: Mapping[str, Policy], now: dt.datetime) -> dict[str, dt.datetime]:
    known = calendars.of_teams({policy.owner_team_id for policy in policies.values()})
    return {
        reason: known[policy.owner_team_id].after(now, policy.service_level_h * 3600)
        for reason, policy in policies.items()
    }


class _Strike:
    """A failure that meets the case its step has already."""

    def __init__(
        self,
        case: Case,
        failure: Failure,
        policies: Mapping[str, Policy],
        problem_ids: Mapping[str, uuid.UUID],
        now: dt.datetime,
        due: Mapping[str, dt.datetime],
    ) -> None:
        self.case, self.failure, self.policy = case, failure, policies[str(failure.reason)]
        self.problem_id = problem_ids[failures.fingerprint(failure)]
        self.was = case.state
        self.same = case.problem_id == self.problem_id
        self.now, self.due_at = now, due[str(failure.reason)]

    def columns(self) -> dict[str, Any]:
        case = self.case
        columns = failures.cause_columns(self.failure, self.policy, self.problem_id, self.now)
        restarts = not self.same or self.was in ENDED
        stays = self.same and (self.was not in ENDED or case.owner_by_hand)
        owner = case.owner_team_id if stays else self.policy.owner_team_id
        return {
            "id": case.id,
            **columns,
            "attempts": case.attempts + 1,
            "owner_team": owner,
            "owner_by_hand": stays and case.owner_by_hand,
            "assignee": case.assignee_id if owner == case.owner_team_id else None,
            "level_from": self.now if restarts else case.level_from,
            "level_h": self.policy.service_level_h if restarts else case.level_h,
            "paused_s": 0 if restarts else case.paused_s,
            "due_at": self.due_at if restarts else case.due_at,
        }

    def move(self) -> str:
        """The transition that follows, or none."""
        if self.was in ENDED:
            return "reopen" if self.same else "open_anew"
        if self.was == "replaying":
            return "fail_again"
        # Another cause than the one slept on, or asked about.
        return "" if self.same else {"snoozed": "wake", "awaiting_approval": "send_back"}.get(self.was, "")

    def entry(self) -> timeline.Entry:
        kind = "reopened" if self.was in ENDED else "failed_again" if self.same else "cause_changed"
        return (self.case.id, kind, self.failure.text, {"reason": str(self.failure.reason), "before": self.case.reason})


def _strike(strikes: Sequence[_Strike], actor: str) -> None:
    if not strikes:
        return
    rowsets.update(Case, [strike.columns() for strike in strikes])
    by_move: dict[str, list[uuid.UUID]] = {}
    for strike in strikes:
        by_move.setdefault(strike.move(), []).append(strike.case.id)
    columns: dict[str, dict[str, Any]] = {"reopen": _UNENDED, "open_anew": _UNENDED, "wake": moves.AWAKE}
    for name in sorted(by_move.keys() - {""}):
        states.move(Case, name, by_move[name], **columns.get(name, {}))
    moves.go_on(by_move.get("fail_again", []))
    approvals.withdraw_for(by_move.get("send_back", []), "it failed for another cause")
    timeline.record([strike.entry() for strike in strikes], actor)
    batches.came_to(
        "failed_again",
        [
            {
                "step_id": s.case.step_id,
                "text": s.failure.text,
                "reason": str(s.failure.reason),
                "problem_id": s.problem_id,
            }
            for s in strikes
        ],
    )
    problems.settle({strike.case.problem_id for strike in strikes if not strike.same})


def _ask_where_needed(told: Mapping[uuid.UUID, Failure], now: dt.datetime, actor: str) -> None:
    """What waits for a second person is asked of one, in the name of whoever wants it. `told` is by case."""
    reasons = {reason.value for reason in APPROVALS}
    waiting = list(
        Case.objects.filter(id__in=list(told), reason__in=reasons, state__in=("open", "reopened")).order_by("id")
    )
    if not waiting:
        return
    states.move(Case, "ask_approval", [case.id for case in waiting])
    by_asker: dict[tuple[Any, ...], list[Case]] = {}
    for case in waiting:
        failure = told[case.id]
        by_asker.setdefault((failure.asked_by, failure.sent_with, failure.not_by), []).append(case)
    for (person, sent_with, not_by), theirs in by_asker.items():
        unknown = {"sent_with": sent_with, "not_by": list(not_by)} if sent_with or not_by else {}
        approvals.ask(theirs, "", "", person, now, **unknown)
    timeline.record([(case.id, "approval_requested", case.text, {"action": case.reason}) for case in waiting], actor)


_CONCERNED = "SELECT id FROM exceptions_case WHERE step_id = ANY(%s::uuid[]) AND state = ANY(%s::text[])"


def resolve_for(
    proofs: Mapping[uuid.UUID, Mapping[str, Any]], actor: str, resolution: str = "", why: str = ""
) -> list[uuid.UUID]:
    """The steps are done: their unresolved cases, if any, end. Returns the ids of the cases that ended.

    `proofs` by step id: what was searched, found and posted, and when; its `document` is the number that people see.
    Without a resolution a replaying case is fixed_by_replay and any other resolved_by_itself. Cheap where nothing
    is unresolved: one look-up. `why` is told on the timeline, and kept with the move.
    """
    if not proofs:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_CONCERNED, [list(proofs), list(UNRESOLVED)])
        concerned = [row[0] for row in cursor.fetchall()]
    if not concerned:
        return []
    with transaction.atomic():
        ended = _resolve(moves.held(id__in=concerned, state__in=UNRESOLVED), proofs, actor, resolution, why)
        if ended:
            unblock.withdraw_spent_of(proofs)
        return ended


def resolve_cases(proofs: Mapping[uuid.UUID, Mapping[str, Any]], actor: str, resolution: str) -> list[uuid.UUID]:
    """Like resolve_for, by case id: for what came in unreadable and was sent again."""
    with transaction.atomic():
        cases = moves.held(id__in=list(proofs), state__in=UNRESOLVED)
        return _resolve(cases, {case.step_id or case.id: proofs[case.id] for case in cases}, actor, resolution)


# Of what was on its way in a replay and is not wanted any more: it is not confirmed.
_OVERTAKEN = "Overtaken, or taken back, before it was through"


def _resolve(
    cases: Sequence[Case],
    proofs: Mapping[uuid.UUID, Mapping[str, Any]],
    actor: str,
    resolution: str,
    why: str = "",
) -> list[uuid.UUID]:
    if resolution and resolution not in RESOLUTIONS:
        raise ValueError(f"{resolution!r} is no way for a case to end; there are {', '.join(RESOLUTIONS)}")
    if not cases:
        return []
    states.say(actor, why)
    rows, entries, by_way = [], [], dict[str, list[uuid.UUID]]()
    for case in cases:
        proof = rowsets.storable(dict(proofs[case.step_id or case.id]))
        document = str(proof.get("document") or "")
        way = resolution or ("fixed_by_replay" if case.state == "replaying" else "resolved_by_itself")
        by_way.setdefault(way, []).append(case.id)
        rows.append(rowsets.fitted(Case, {"id": case.id, "proof": proof, "document": document}))
        confirmed = "replay_confirmed" if way == "fixed_by_replay" else "resolved"
        told = why or (f"Document {document}" if document else "")
        entries.append((case.id, confirmed, told, {"resolution": way}))
    moves.resume_clocks(cases)
    rowsets.update(Case, rows)
    now = clock.now()
    for way, ids in sorted(by_way.items()):
        states.move(Case, "resolve", ids, resolved_at=now, resolution=way, **moves.AWAKE)
    approvals.withdraw_for([case.id for case in cases], "resolved")
    timeline.record(entries, actor)
    overtaken = set(by_way.get("superseded", ()))
    documents = {row["id"]: row["document"] for row in rows}
    through = [c for c in cases if c.step_id and c.id not in overtaken]
    batches.came_to("confirmed", [{"step_id": c.step_id, "document": documents[c.id]} for c in through])
    batches.skipped([c.step_id for c in cases if c.step_id and c.id in overtaken], why or _OVERTAKEN)
    problems.settle({case.problem_id for case in cases})
    return [case.id for case in cases]


@dataclass(frozen=True, slots=True)
class Restated:
    """What a case says by now, and why; `finding`, as JSON, takes the place of the first in its context."""

    why: str
    text: str
    amount_minor: int | None
    currency: str
    entity: str
    period: str
    finding: Mapping[str, Any]


def restate(told: Mapping[uuid.UUID, Restated], actor: str) -> list[uuid.UUID]:
    """What the unresolved cases of these steps are about has changed, their cause has not: worth, place and words.

    `told` by step id. Nobody loses a case by it, and no clock starts anew. Returns the ids of the cases.
    """
    with transaction.atomic():
        found = [(case, told[case.step_id]) for case in moves.held(step_id__in=list(told), state__in=UNRESOLVED)]  # type: ignore[index]
        contexts = dict(Case.objects.filter(id__in=[case.id for case, _ in found]).values_list("id", "context"))
        rows = [
            rowsets.fitted(
                Case,
                {
                    "id": case.id, "text": now.text, "amount_minor": now.amount_minor, "currency": now.currency,
                    "entity": now.entity, "period": now.period,
                    "context": {
                        **contexts[case.id], "findings": [now.finding, *contexts[case.id].get("findings", [])[1:]]
                    },
                },
            )
            for case, now in found
        ]  # fmt: skip
        rowsets.update(Case, rows)
        timeline.record([(case.id, "restated", f"{now.why}: {now.text}", {}) for case, now in found], actor)
        return [case.id for case, _ in found]


def replaying(step_ids: Sequence[uuid.UUID], actor: str, why: str = "") -> list[uuid.UUID]:
    """The steps were put back to work: their cases are replaying. Returns the ids of the cases that moved.

    For replays outside a batch; batches.advance() does it for its own.
    """
    with transaction.atomic():
        states.say(actor, why)
        return moves.start_replay(moves.held(step_id__in=list(step_ids), state__in=UNRESOLVED), actor, why)


def take_up(step_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """What two people gave up is wanted after all: open again, with a service level of its own. Returns the case ids.

    Whose word that is, is on the timeline already, and said to the transaction.
    """
    with transaction.atomic():
        closed, now = moves.held(step_id__in=list(step_ids), state="closed_without_fix"), clock.now()
        problems.open_again({case.problem_id for case in closed})
        known = calendars.of_teams({case.owner_team_id for case in closed})
        rows: list[dict[str, Any]] = [
            {"id": case.id, "level_from": now, "paused_s": 0,
             "due_at": known[case.owner_team_id].after(now, case.level_h * 3600)}
            for case in closed
        ]  # fmt: skip
        rowsets.update(Case, rows)
        return states.move(Case, "reopen", [case.id for case in closed], **_UNENDED)


def sent(step_ids: Sequence[uuid.UUID], actor: str) -> None:
    """The requests of replaying steps left for the platform."""
    cases = Case.objects.filter(step_id__in=list(step_ids), state="replaying").values_list("id", "target")
    timeline.record(
        [(case_id, "replay_sent", f"to {target}" if target else "", {}) for case_id, target in cases], actor
    )


def outcome_unknown(step_ids: Sequence[uuid.UUID], actor: str, text: str = "") -> list[uuid.UUID]:
    """The answers were lost: whether it was done is being verified. Returns the ids of the cases told."""
    cases = Case.objects.filter(step_id__in=list(step_ids), state__in=UNRESOLVED).order_by("id")
    told = dict(cases.values_list("id", "step_id"))
    with transaction.atomic():
        timeline.record([(case_id, "outcome_unknown", text, {}) for case_id in told], actor)
        batches.came_to("unknown", [{"step_id": step_id, "text": text} for step_id in told.values()])
    return list(told)


def steps_closed_as(step_ids: Sequence[uuid.UUID], root_causes: Sequence[str]) -> set[uuid.UUID]:
    """Those of the steps whose case was closed without fix for one of these causes."""
    closed = Case.objects.filter(step_id__in=step_ids, state="closed_without_fix", root_cause__in=root_causes)
    return {step_id for step_id in closed.values_list("step_id", flat=True) if step_id}
