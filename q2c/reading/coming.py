"""What comes next for a record: read from its open steps, in the words of the process."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from exceptions import approvals, sentences
from exceptions.models import Case
from q2c import clock
from q2c.models import Breaker, Step, Transition
from q2c.models.connection import called
from q2c.models.step import OPEN
from q2c.reading import actors, cause_gone, what_stays
from q2c.reading.days import days_of
from q2c.reading.held import Front
from q2c.reasons import APPROVALS, Reason
from q2c.stages import STAGES


@dataclass(frozen=True, slots=True)
class Coming:
    """One thing that comes: `tone` bad (stopped), warn (being verified), busy (under way), quiet (on its `day`).

    What waits for a second person (`approval`) is warn too. What was closed without fix (`given_up`) does not come:
    a journal keeps its number, and says so. What is `held` waits for another step; the case is that one's.
    """

    what: str
    where: str
    tone: str
    at: dt.datetime | None
    text: str
    case: Case | None
    approval: bool = False
    held: bool = False
    given_up: bool = False
    day: dt.date | None = None
    # The platform that does not answer, of what goes on by itself once it does.
    waits_for: str = ""


_PHASE = "phase-"
# What stays undone of what was closed without fix.
_FINAL = {
    "sync_customer": "The customer is not made there by q2c",
    "provision_billing": "The subscription is not made there by q2c, and billing issues no invoice of it by itself",
    "activate_subscription": "It is not activated there by q2c",
    "post_journal": "It will not be posted from here and keeps its number",
    "write_back": "The sales platform is not told",
}


def does(stage: str) -> str:
    """What a stage does, as the sentence goes on: "… in zuora"."""
    return STAGES[stage].does if stage in STAGES else stage.replace("_", " ")


def doing(stage: str) -> str:
    """The same of what is not done: "posting the journal … in zuora: outcome unknown"."""
    return STAGES[stage].doing if stage in STAGES else stage.replace("_", " ")


def done_of(step: Step) -> str:
    """What this step does, with its phase and its invoice group: an order may have several of each."""
    return f"{_phased(step, does(step.stage), '{} is activated')}{_for_group(step)}"


def doing_of(step: Step) -> str:
    """The same of what is not done: "activating phase 2 for group EMEA"."""
    return f"{_phased(step, doing(step.stage), 'activating {}')}{_for_group(step)}"


def _phased(step: Step, said: str, phased: str) -> str:
    named = step.part.startswith(_PHASE) and step.stage == "activate_subscription"
    return phased.format(f"phase {step.part.removeprefix(_PHASE)}") if named else said


def _for_group(step: Step) -> str:
    if group := group_of(step):
        return f" for group {group}"
    return f" for {_activated(step)}" if step.stage == "activate_subscription" else ""


def group_of(step: Step) -> str:
    """The invoice group that a step of its subscription is for; empty where it is for none, or none is known."""
    if step.stage == "provision_billing":
        return step.part
    if step.stage != "activate_subscription":
        return ""
    # Its key names the subscription, whose number ends in its group (subscription_number of provision_billing).
    number, order = _activated(step), f"S-{step.business_key}-"
    return number.removeprefix(order) if number.startswith(order) else ""


def _activated(step: Step) -> str:
    return step.order_key.removeprefix("activation:")


def next_of(
    steps: Iterable[Step], cases: Mapping[uuid.UUID, Case], fronts: Mapping[uuid.UUID, Front] | None = None
) -> list[Coming]:
    """The open steps as sentences: what is stopped first, then what is under way, then what waits for its day."""
    rank = {"bad": 0, "warn": 1, "busy": 2, "quiet": 3}
    given = list(steps)
    asked = [step.id for step in given if step.stage == "reverse_journal" and step.state in OPEN]
    unsigned = set(asked) - set(approvals.granted(asked))
    days, down = days_of(given), _down(given)
    found = [
        _coming(step, cases.get(step.id), (fronts or {}).get(step.id), step.id in unsigned, days.get(step.id), down)
        for step in given
        if step.state in OPEN
    ]
    if names := {one.waits_for for one in found if one.waits_for}:
        titles = called(names)
        found = [replace(one, waits_for=titles.get(one.waits_for, "")) for one in found]
    ended = [step for step in given if step.state == "abandoned" and step.reason != Reason.SUPERSEDED]
    found += _given_up([step for step in ended if step.stage in _FINAL], cases)
    return sorted(found, key=lambda one: (rank[one.tone], one.at or clock.now()))


def _given_up(steps: Sequence[Step], cases: Mapping[uuid.UUID, Case]) -> list[Coming]:
    """What will not be done any more: who said so, when and why."""
    if not steps:
        return []
    ended = {
        move.record_id: move
        for move in Transition.objects.filter(record_id__in=[step.id for step in steps], target="abandoned")
    }
    known = actors.names(move.actor for move in ended.values())
    found = []
    for step in steps:
        move = ended.get(step.id)
        by = f" by {actors.within(known[move.actor])}" if move and move.actor else ""
        who = f"{by} on {move.at:%Y-%m-%d}: {move.why}" if move else ""
        text = f"Closed without fix{who}. {_stays(step)}"
        found.append(Coming(doing_of(step), step.connection, "bad", None, text, cases.get(step.id), given_up=True))
    return found


def _stays(step: Step) -> str:
    return what_stays.left_there(step) or f"{_FINAL[step.stage]}; this is final"


def _down(steps: Iterable[Step]) -> set[str]:
    """The platforms that these wait for, and that do not answer."""
    # What waits for its own day waits for no platform.
    due = [step for step in steps if step.state == "waiting" and (step.attempts or step.next_at <= clock.now())]
    names = {step.waiting_for or step.connection for step in due} - {""}
    if not names:
        return set()
    return set(
        Breaker.objects.filter(connection__in=names, opened_at__isnull=False).values_list("connection", flat=True)
    )


def _stopped(step: Step, case: Case | None) -> str:
    """Why it stands still: what failed, or that only the replay is left to do."""
    if case is None or case.blocker is None or not cause_gone.noticed(case):
        return step.text
    again = sentences.again(case.blocker, case.lacking)
    if case.next_cause:
        found = f"a dry run found something else in the way: {case.next_cause['text']}"
        return f"{again[:1].upper()}{again[1:]}, but {found}"
    return f"The cause is gone, it waits for its replay: {again}. What had failed: {step.text}"


def _coming(
    step: Step, case: Case | None, front: Front | None, unsigned: bool, day: dt.date | None, down: Collection[str]
) -> Coming:
    """`unsigned`: nothing of it is done before a second person says so, even where it has not been looked at yet."""
    what, done = doing_of(step), done_of(step)
    if unsigned and front is None and (step.state != "failed" or (case is None and step.reason in APPROVALS)):
        text = "A second person decides; nothing is booked until then"
        return Coming(what, step.connection, "warn", None, text, case, approval=True)
    if step.state == "failed" and case is not None and case.state == "awaiting_approval":
        return Coming(what, step.connection, "warn", None, step.text, case, approval=True)
    if step.state == "failed":
        return Coming(what, step.connection, "bad", None, _stopped(step, case), case)
    if step.state == "unknown":
        return Coming(what, step.connection, "warn", step.next_at, step.text, case)
    if front is not None:
        return Coming(what, step.connection, "busy", None, str(front), front.case or case, held=True)
    if step.state == "waiting" and step.next_at > clock.now() and not step.attempts:
        return Coming(done, step.connection, "quiet", step.next_at, "", case, day=day)
    name = step.waiting_for or step.connection
    waits = name if step.state == "waiting" and (name in down or step.failures) else ""
    return Coming(what, step.connection, "busy", None, step.text, case, waits_for=waits)
