"""How a case ended, in a sentence; and the period of what was re-dated, as it was and as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from exceptions.approvals import CLOSE
from exceptions.models import Case, CaseEvent
from exceptions.models.case import ENDED
from ledger.models.redating import Redating
from q2c.models import Event, Step
from q2c.reading import billing_now
from q2c.reading.coming import does
from q2c.reasons import Reason
from q2c.stages.fiscal import periods_on
from q2c.stages.taken_back_there import CANCELLED, TAKEN_BACK
from q2c.ui import people


def told(found: Case) -> str:
    """Resolved by a replay of Mei Lin: JE3000 in netsuite-eu. Empty where it has not ended."""
    if found.state not in ENDED:
        return ""
    if found.resolution == "closed_without_fix":
        return _closed(found)
    if found.resolution == "superseded":
        return _overtaken(found)
    if found.code == CANCELLED:
        return _no_longer_differs(found)
    where = f" in {found.target}" if found.target else ""
    came_to = f"document {found.document}{where}" if found.document else does(found.stage) if found.stage else ""
    if found.resolution == "fixed_by_replay":
        asked = found.events.filter(kind="replay_requested").order_by("-id").first()
        what = "the approval" if asked is not None and was_approved(found, asked) else "a replay"
        how = f"Resolved by {what}{f' of {people.name(asked.actor)}' if asked else ''}"
    else:
        how = "Resolved by itself"
    return f"{how}: {came_to}." if came_to else f"{how}."


def _overtaken(found: Case) -> str:
    """What billing changed after it was booked is told by what billing made of it next."""
    if why := _taken_back(found):
        return why
    came = billing_now.next_version(found) if found.reason == Reason.INVOICE_CHANGED else None
    if came is not None and came.state == "done":
        return f"It ended without a replay: {came.event.source} has put the invoice back as it was booked here."
    if came is not None and came.reason:
        return f"It ended without a replay: {came.event.source} has changed the invoice once more since."
    return "It ended without a replay: what it was about was overtaken or given up."


def _taken_back(found: Case) -> str:
    """Of what waited, or stood otherwise in the books, until billing took it back."""
    step = Step.objects.filter(id=found.step_id).select_related("event").first() if found.step_id else None
    if step is None or TAKEN_BACK not in step.proof:
        return ""
    told = Event.objects.filter(id__in=[step.event.causation_id]).first() if step.stage == "post_journal" else None
    source = (told or step.event).source
    if step.state == "done":
        return f"It was looked for in {step.connection} and not sent: {source} has taken the invoice back since."
    booked = billing_now.invoice_of(found)
    and_here = ", and its journal was reversed here" if booked is not None and booked.reversed_at else ""
    return f"It ended without a replay: {source} has taken the invoice back since{and_here}."


def _no_longer_differs(found: Case) -> str:
    """What billing took back after it was booked: taken out of the books as well, or posted in billing again."""
    if found.document:
        return f"It ended by itself: its journal was reversed, by document {found.document}."
    if TAKEN_BACK in found.proof:
        return "It ended by itself: nothing of it was posted, and the books here hold none of it any more."
    return f"It ended by itself: {found.source} has posted the invoice again."


def was_approved(found: Case, started: CaseEvent) -> bool:
    """Whether a second person's signature put it to work: said and queued in one transaction, by the same person."""
    if started.data.get("batch"):
        return False
    last = found.events.filter(id__lt=started.id).order_by("-id").first()
    return last is not None and last.kind == "approved" and last.actor == started.actor


def _closed(found: Case) -> str:
    asked = found.approvals.filter(action=CLOSE, state="approved").order_by("-decided_at")
    last = asked.select_related("requested_by", "decided_by").first()
    if last is not None and last.requested_by and last.decided_by:
        return (
            f"Closed without a fix: asked for by {_name(last.requested_by)}, approved by {_name(last.decided_by)}. "
            f"{last.reason}"
        )
    event = found.events.filter(kind="closed_without_fix").order_by("-id").first()
    by = f" by {people.name(event.actor)}" if event is not None and event.actor else ""
    return f"Closed without a fix{by}. {event.text if event is not None else ''}".strip()


def _name(user: Any) -> str:
    return str(user.get_full_name() or user.get_username())


@dataclass(frozen=True, slots=True)
class Periods:
    """The period of the document's own day, and the one in which it is booked by decision of two people."""

    was: str
    now: str


def redated(found: Case, step: Step | None) -> Periods | None:
    """What the latest decision about its date made of its period; None where there was none."""
    if step is None or not found.period:
        return None
    events = [step.event_id, step.event.causation_id]
    last = Redating.objects.filter(event_id__in=[id_ for id_ in events if id_]).order_by("-id").first()
    if last is None:
        return None
    was, now = (last.entity.code, last.source_on), (last.entity.code, last.effective_on)
    names = periods_on([was, now])
    return Periods(names[was], names[now])
