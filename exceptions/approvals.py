"""Four eyes: what one person asks and another decides. Also what the flow asks: credit, discount."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from exceptions import calendars, problems, rights, rowsets, timeline
from exceptions.done import Done
from exceptions.errors import NotPossible, Refused
from exceptions.models import Approval, Case
from exceptions.policies import POLICIES
from q2c import clock, keys, states
from q2c.reasons import APPROVALS, Reason

CLOSE, REDATE, REOPEN = "close_without_fix", "redate", "reopen_period"
# That a journal which two people gave up be posted all the same.
AFTER_ALL = "post_after_all"
# Where people ask and the answer is no, the reversal or the cancellation has come to its end.
ENDED_BY_NO = frozenset(
    str(reason)
    for reason in (
        Reason.REVERSAL_APPROVAL_REQUIRED, Reason.CANCELLATION_APPROVAL_REQUIRED, Reason.INVOICE_GIVEN_UP,
        Reason.INVOICE_CANCELLED,
    )
)  # fmt: skip
# What a person asks about a case of the flow: refused, the case is where it was.
ABOUT_CASES = frozenset({CLOSE, REDATE, AFTER_ALL})
# The right that whoever decides needs besides that of deciding: of what people ask, to ask for the same themselves; of
# an order, to approve one. A cancellation is asked for by who sells, and decided by who keeps the books.
RIGHTS = {
    CLOSE: rights.CLOSE,
    REDATE: "ledger.redate_journalentry",
    REOPEN: "ledger.reopen_period",
    AFTER_ALL: rights.REPLAY,
    **{str(reason): row.signed_with for reason, row in POLICIES.items() if row.signed_with},
}
_OPEN_REQUEST = "ON CONFLICT (subject_type, subject_id, action) WHERE state = 'requested' DO NOTHING"


@dataclass(slots=True)
class Decision(Done):
    """`done` and `left` are approvals. `closed_steps` are to be abandoned, `granted_steps` to be replayed.

    `refused_steps` waited for a signature that they will not get. `rows` are the requests that were decided.
    `in_the_way` is what stops those that were granted all the same, by approval, as sentences.
    """

    closed_steps: list[uuid.UUID] = field(default_factory=list)
    granted_steps: list[uuid.UUID] = field(default_factory=list)
    refused_steps: list[uuid.UUID] = field(default_factory=list)
    rows: list[Approval] = field(default_factory=list)
    in_the_way: dict[uuid.UUID, list[str]] = field(default_factory=dict)


def ask(cases: Iterable[Case], action: str, why: str, requested_by: int | None, now: dt.datetime, **data: Any) -> None:
    """Ask for a decision on each case, for the user with that key; asked already, it is not asked again.

    `action` empty: the case's reason. Then its findings are kept with the request, since those are what is granted.
    `not_by` in the data: further users who may not decide, where nobody knows which of them asked.
    """
    rows = [
        {
            "id": keys.new_id(),
            "correlation_id": case.correlation_id,
            "state": "requested",
            "subject_type": "case",
            "subject_id": str(case.id),
            "case": case.id,
            "action": action or case.reason,
            "reason": why or case.text,
            "amount_minor": case.amount_minor,
            "currency": case.currency,
            "data": data,
            "requested_by": requested_by,
            "requested_at": now,
            "decision": "",
        }
        | ({} if action else _granted_for(case, data))
        for case in cases
    ]
    rowsets.insert(Approval, [rowsets.fitted(Approval, row) for row in rows], on_conflict=_OPEN_REQUEST)


def ask_about(
    subject: tuple[str, str], action: str, why: str, requested_by: Any, data: Mapping[str, Any]
) -> Approval | None:
    """Ask for a decision on what is no case: (type, key). None where the same is asked already."""
    if not why.strip():
        raise NotPossible("Say why; whoever decides reads it")
    row = {
        "id": keys.new_id(), "correlation_id": keys.new_id(), "state": "requested", "subject_type": subject[0],
        "subject_id": subject[1], "case": None, "action": action, "reason": why.strip(), "amount_minor": None,
        "currency": "", "data": dict(data), "requested_by": requested_by.pk, "requested_at": clock.now(),
        "decision": "",
    }  # fmt: skip
    with states.acting(rights.name_of(requested_by), why):
        made = rowsets.insert(Approval, [rowsets.fitted(Approval, row)], on_conflict=_OPEN_REQUEST, returning="id")
    return Approval.objects.get(id=made[0][0]) if made else None


def _granted_for(case: Case, data: Mapping[str, Any]) -> dict[str, Any]:
    """The findings that are granted, and what these are about, where they say that it is not the whole document.

    In several currencies that is no one amount; the findings hold it.
    """
    found = _granting(case)
    worth = [pair for one in found["findings"] for pair in one.get("worth") or ()]
    if not worth:
        return {"data": {**found, **data}}
    minor, currency = worth[0] if len(worth) == 1 else (None, "")
    return {"data": {**found, **data}, "amount_minor": minor, "currency": currency}


def _granting(case: Case) -> dict[str, Any]:
    """{"findings": those that one signature grants, "besides": reasons that are asked for afterwards}."""
    found = case.context.get("findings", [])
    besides = dict.fromkeys(one["reason"] for one in found if one["reason"] != case.reason)
    return {"findings": [one for one in found if one["reason"] == case.reason], "besides": list(besides)}


def withdraw_for(case_ids: Sequence[uuid.UUID], why: str) -> list[uuid.UUID]:
    """What is still asked about these cases is asked no longer. Returns the approvals withdrawn."""
    if not case_ids:
        return []
    asked = Approval.objects.filter(case__in=case_ids, state="requested").values_list("id", flat=True)
    return states.move(Approval, "withdraw", list(asked), decision=why)


def granted(step_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[dict[str, Any]]]:
    """The findings that somebody has signed, for each step that has any."""
    if not step_ids:
        return {}
    found = Approval.objects.filter(case__step_id__in=step_ids, state="approved").exclude(action=CLOSE)
    signed: dict[uuid.UUID, list[dict[str, Any]]] = {}
    for step_id, data in found.values_list("case__step_id", "data"):
        signed.setdefault(step_id, []).extend(data.get("findings", ()))
    return signed


def asked_before(step_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[dict[str, Any]]]:
    """The findings that steps waited for a signature with, whatever became of the request, and that are in its case."""
    if not step_ids:
        return {}
    reasons = {reason.value for reason in APPROVALS}
    found: dict[uuid.UUID, list[dict[str, Any]]] = {}
    requests = Approval.objects.filter(case__step_id__in=step_ids, action__in=reasons)
    for step_id, data in requests.values_list("case__step_id", "data"):
        found.setdefault(step_id, []).extend(data.get("findings", ()))
    for step_id, context in Case.objects.filter(step_id__in=step_ids).values_list("step_id", "context"):
        told = context.get("findings", ())
        found.setdefault(step_id, []).extend(one for one in told if one["reason"] in reasons)
    return found


def approve(user: Any, approval_ids: Sequence[uuid.UUID], text: str = "") -> Decision:
    """Agree. A closing ends its case now; a Reason that waited is granted, and its step may be replayed.

    Raises Refused without the right, or where all that is left is what the person may not decide.
    """
    asked = decidable(user, approval_ids, "approve")
    decision = Decision(left=asked.left)
    with states.acting(rights.name_of(user), text):
        rows = _locked(asked)
        decision.done, decision.rows = _decide(user, rows, "approve", text), rows
        closing = [row.case for row in rows if row.action == CLOSE and row.case]
        by_cause: dict[str, list[uuid.UUID]] = {}
        for row in rows:
            if row.action == CLOSE and row.case_id:
                by_cause.setdefault(str(row.data.get("root_cause", "")), []).append(row.case_id)
        ended = {"resolved_at": clock.now(), "resolution": "closed_without_fix"}
        closed = [
            case_id
            for cause, case_ids in by_cause.items()
            for case_id in states.move(Case, "close_without_fix", case_ids, root_cause=cause, **ended)
        ]
        decision.closed_steps = [case.step_id for case in closing if case.id in closed and case.step_id]
        granting = [row.case for row in rows if row.action != CLOSE and row.case]
        decision.granted_steps = [case.step_id for case in granting if case.step_id]
        entries = [(row.case_id, "approved", text, {"action": row.action}) for row in rows if row.case_id]
        entries += [(case_id, "closed_without_fix", text, {}) for case_id in closed]
        timeline.record(entries, rights.name_of(user))
        problems.settle({case.problem_id for case in closing})
    return decision


def refuse(
    user: Any,
    approval_ids: Sequence[uuid.UUID],
    text: str,
    *,
    for_good: bool = False,
    owners: Mapping[str, str] | None = None,
) -> Decision:
    """Disagree, and say why: the cases go back into the queue.

    Those of which the flow itself asked go to the team that `owners` names for their stage, as something else has to
    change now. Or they end, `for_good` or since nothing else is left: then their `closed_steps` are to be abandoned.
    What a person asks about a case (closing it, re-dating, posting after all) does not end the case by being refused.
    """
    if not text.strip():
        raise NotPossible("Say why it is refused; whoever asked will read it")
    asked = decidable(user, approval_ids, "refuse")
    decision = Decision(left=asked.left)
    actor = rights.name_of(user)
    with states.acting(actor, text):
        rows = _turn_down(user, "refuse", text, asked, decision)
        flow = [row.case for row in rows if row.action not in ABOUT_CASES and row.case]
        over = [row.case for row in rows if row.action in ENDED_BY_NO and row.case]
        decision.refused_steps = [case.step_id for case in flow if case.step_id]
        ended = {"resolved_at": clock.now(), "resolution": "closed_without_fix"}
        closed = states.move(Case, "close_without_fix", [case.id for case in (flow if for_good else over)], **ended)
        decision.closed_steps = [case.step_id for case in flow if case.id in closed and case.step_id]
        states.move(Case, "send_back", [row.case_id for row in rows if row.case_id])
        timeline.record([(case_id, "closed_without_fix", text, {}) for case_id in closed], actor)
        _hand_over([case for case in flow if case.id not in closed], owners or {}, actor)
        problems.settle({case.problem_id for case in flow if case.id in closed})
    return decision


def _hand_over(cases: Sequence[Case], owners: Mapping[str, str], actor: str) -> None:
    """To the team of the case's stage, for whom the service level begins now."""
    now, known = clock.now(), calendars.of_teams({owners[case.stage] for case in cases if case.stage in owners})
    rows: list[dict[str, Any]] = [
        {"id": case.id, "owner_team": team, "owner_by_hand": True, "level_from": now, "paused_s": 0,
         "assignee": case.assignee_id if team == case.owner_team_id else None,
         "due_at": known[team].after(now, case.level_h * 3600)}
        for case in cases
        for team in [owners.get(case.stage, "")]
        if team in known
    ]  # fmt: skip
    rowsets.update(Case, rows)
    timeline.record(
        [(row["id"], "assigned", f"to {row['owner_team']}", {"team": row["owner_team"]}) for row in rows], actor
    )


def withdraw(user: Any, approval_ids: Sequence[uuid.UUID], text: str = "") -> Decision:
    """Take back one's own request. What was nothing but that request ends; its `closed_steps` are to be abandoned."""
    asked = Done()
    found = {row.id: row for row in Approval.objects.visible_to(user).filter(id__in=approval_ids)}
    case_ids = [row.case_id for row in found.values() if row.case_id]
    rights.require(user, rights.WORK, "take back a request", case_ids)
    for approval_id in approval_ids:
        if approval_id in found and found[approval_id].requested_by_id == user.pk:
            asked.done.append(approval_id)
        else:
            asked.left[approval_id] = "only who asked can take it back"
    if not asked.done:
        rights.refuse(user, "only who asked can take it back", case_ids)
    decision = Decision(left=asked.left)
    with states.acting(rights.name_of(user), text):
        rows = _turn_down(user, "withdraw", text, asked, decision)
        over = [row.case for row in rows if row.action in ENDED_BY_NO and row.case]
        ended = {"resolved_at": clock.now(), "resolution": "closed_without_fix"}
        closed = states.move(Case, "close_without_fix", [case.id for case in over], **ended)
        decision.closed_steps = [case.step_id for case in over if case.id in closed and case.step_id]
        timeline.record([(case_id, "closed_without_fix", text, {}) for case_id in closed], rights.name_of(user))
        problems.settle({case.problem_id for case in over})
        states.move(Case, "send_back", [row.case_id for row in rows if row.case_id])
    return decision


def _turn_down(user: Any, verb: str, text: str, asked: Done, decision: Decision) -> list[Approval]:
    """The requests that were still open, refused or taken back now; their cases stay as they are."""
    kind = {"refuse": "approval_refused", "withdraw": "approval_withdrawn"}[verb]
    rows = _locked(asked)
    decision.done, decision.rows = _decide(user, rows, verb, text), rows
    timeline.record(
        [(row.case_id, kind, text, {"action": row.action}) for row in rows if row.case_id], rights.name_of(user)
    )
    return rows


def shown(approval_ids: Sequence[uuid.UUID], text: str) -> None:
    """Keep what whoever decides on these was shown; before, and in the transaction, in which it is decided."""
    if text:
        Approval.objects.filter(id__in=approval_ids, state="requested").update(shown=text)


def rights_for(action: str) -> tuple[str, ...]:
    """What deciding on it needs: the right to decide, then that of the thing itself."""
    return tuple(dict.fromkeys((rights.APPROVE, RIGHTS[action])))


def decidable(user: Any, approval_ids: Sequence[uuid.UUID], what: str) -> Done:
    """Which of these the person may decide; what is left for want of a second person or of a right is on the record.

    Raises Refused without the right, or where all that is left is of that kind.
    """
    found = {row.id: row for row in Approval.objects.filter(id__in=approval_ids).order_by("id")}
    case_ids = [row.case_id for row in found.values() if row.case_id]
    rights.require(user, rights.APPROVE, what, case_ids)
    asked, own = Done(), list[Approval]()
    beyond: dict[str, list[Approval]] = {}
    for approval_id in approval_ids:
        row = found.get(approval_id)
        if row is None:
            asked.left[approval_id] = "there is no such request"
        elif row.requested_by_id == user.pk:
            asked.left[approval_id] = "nobody decides what they asked for"
            own.append(row)
        elif user.pk in row.data.get("not_by", ()):
            asked.left[approval_id] = f"{row.data['sent_with']} asked, and whoever makes keys of that system may be it"
            own.append(row)
        elif not user.has_perm(RIGHTS[row.action]):
            asked.left[approval_id] = f"the right {RIGHTS[row.action]} is missing"
            beyond.setdefault(RIGHTS[row.action], []).append(row)
        else:
            asked.done.append(approval_id)
    _refused(user, what, own, beyond, refusing=not asked.done)
    return asked


def _refused(
    user: Any, what: str, own: Sequence[Approval], beyond: Mapping[str, Sequence[Approval]], *, refusing: bool
) -> None:
    """Put on record what of these somebody may not decide: own ones, and by right those for which it is missing."""
    name = rights.name_of(user)
    found = [("", f"{name} may not {what} their own request", own)] if own else []
    found += [(right, f"{name} may not {what} this: the right {right} is missing", of) for right, of in beyond.items()]
    refusals = [(right, text, [row.case_id for row in rows if row.case_id]) for right, text, rows in found]
    for right, text, case_ids in refusals:
        timeline.record([(case_id, "refused", text, {"right": right}) for case_id in case_ids], name)
    if refusing and refusals:
        raise Refused(refusals[0][1], refusals[0][0])


def _locked(asked: Done) -> list[Approval]:
    """The requests still open among those asked, held; the cases first, as every verb does."""
    case_ids = Approval.objects.filter(id__in=asked.done).values("case_id")
    list(Case.objects.filter(id__in=case_ids).order_by("id").select_for_update().values_list("id"))
    rows = list(
        Approval.objects.filter(id__in=asked.done).select_related("case").order_by("id").select_for_update(of=("self",))
    )
    for row in rows:
        if row.state != "requested":
            asked.left[row.id] = f"it is {row.state} already"
    return [row for row in rows if row.state == "requested"]


def _decide(user: Any, rows: Sequence[Approval], verb: str, text: str) -> list[uuid.UUID]:
    with transaction.atomic():
        by = None if verb == "withdraw" else user.pk
        return states.move(
            Approval, verb, [row.id for row in rows], decided_by_id=by, decided_at=clock.now(), decision=text
        )
