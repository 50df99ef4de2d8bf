"""What two people decide about the books: a period is reopened, a late document is booked on another day, a journal
that was given up is posted after all.

One asks, here; desk.approve() has the other's word carried out in its own transaction. Before that it asks here what
would stop what is signed.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django_fsm import ConcurrentTransition, TransitionNotAllowed

from exceptions import approvals, casework, rights
from exceptions.errors import NotPossible
from exceptions.models import Approval, Case
from ledger import journal, periods, redating
from ledger.facts import Fact
from ledger.journal import EntryView
from ledger.models import FiscalPeriod
from q2c.contracts import stored
from q2c.contracts.events import JournalFact
from q2c.engine import after_all, replay
from q2c.models import Step
from q2c.reasons import APPROVALS, Reason
from q2c.stages import booking, signed
from q2c.stages.post_journal import living

_PERIOD = "fiscal_period"


def ask_to_reopen(user: Any, period: FiscalPeriod, why: str) -> Approval:
    """Raises Refused without the right, NotPossible where it is open or asked for already."""
    rights.require(user, approvals.RIGHTS[approvals.REOPEN], "reopen a period")
    if period.state == "open":
        raise NotPossible(f"{period.key} is open already")
    asked = approvals.ask_about((_PERIOD, period.key), approvals.REOPEN, why, user, {"state": period.state})
    if asked is None:
        raise NotPossible(f"That {period.key} be reopened is asked for already; see Approvals")
    return asked


def asked_to_reopen(period: FiscalPeriod) -> Approval | None:
    """The request that waits for a second person, with who asked."""
    asked = Approval.objects.filter(subject_type=_PERIOD, subject_id=period.key, action=approvals.REOPEN)
    return asked.filter(state="requested").select_related("requested_by").first()


def reopenings(user: Any, period: FiscalPeriod) -> list[Approval]:
    """Every request that a period be reopened, whatever became of it, the latest first; with who asked and decided."""
    asked = Approval.objects.visible_to(user).filter(subject_type=_PERIOD, subject_id=period.key)
    people = asked.filter(action=approvals.REOPEN).select_related("requested_by", "decided_by")
    return list(people.order_by("-requested_at", "-id"))


@dataclass(frozen=True, slots=True)
class Redatable:
    """A late document: its own day, the one it is booked on now, and the first open period with its days."""

    fact: Fact
    source_on: dt.date
    now_on: dt.date
    period: FiscalPeriod
    first_day: dt.date
    last_day: dt.date


def redatable(case: Case) -> Redatable | None:
    """What re-dating a case of a closed period comes to; None where it cannot be."""
    fact = fact_of(case) if case.reason == Reason.PERIOD_CLOSED else None
    if fact is None:
        return None
    (now,) = redating.applied([fact])
    period = redating.first_open_after(fact.entity_code, fact.subledger, now.effective_on)
    if period is None:
        return None
    last = period.ends_on - dt.timedelta(days=1)
    return Redatable(fact, fact.effective_on, now.effective_on, period, period.starts_on, last)


def ask_to_redate(user: Any, case_id: uuid.UUID, effective_on: dt.date, why: str) -> Case:
    """Ask that the late document of a case be booked on a day of the first open period. Raises like ask_to_reopen."""
    rights.require(user, approvals.RIGHTS[approvals.REDATE], "ask for another date", [case_id])
    case = Case.objects.visible_to(user).filter(id=case_id).first()
    found = redatable(case) if case is not None else None
    if case is None or found is None:
        raise NotPossible("Only what waits for a closed period, and was never posted, is re-dated")
    _checked(found.fact, effective_on)
    days = {"source_on": found.source_on.isoformat(), "effective_on": effective_on.isoformat()}
    done = casework.redate(user, case_id, why, **days)
    for text in done.left.values():
        raise NotPossible(text[:1].upper() + text[1:])
    return Case.objects.get(id=case_id)


class CannotBeDone(Exception):
    """What one of these approvals was asked for cannot be done any more; none of them is signed by that."""

    def __init__(self, approval_id: uuid.UUID, text: str) -> None:
        self.approval_id = approval_id
        self.text = text
        super().__init__(text)


def ahead(approval_ids: Sequence[uuid.UUID]) -> tuple[dict[uuid.UUID, list[str]], dict[uuid.UUID, str]]:
    """By approval, those of which anything can be told: what would stop its step once it is signed; and why it cannot
    be signed at all, of a reversal, whose signature would then make no mirror entry.

    Asked before the signature and outside its transaction: steps take what they prepare with in another order. No
    platform is asked.
    """
    waiting = Approval.objects.filter(id__in=approval_ids, state="requested", case__step_id__isnull=False)
    rows = list(waiting.exclude(action=approvals.CLOSE).select_related("case"))
    told = {row.id: on_its_day(row)[1] for row in rows if row.action == approvals.REDATE}
    rows = [row for row in rows if row.id not in told]
    found = replay.in_the_way([row.case.step_id for row in rows if row.case and row.case.step_id])
    refused: dict[uuid.UUID, str] = {}
    for row in rows:
        granted = row.data.get("findings", ())
        mine = found.get(row.case.step_id, []) if row.case and row.case.step_id else []
        left = [one for one in mine if not any(signed.covers(signature, one) for signature in granted)]
        # What changed since it was asked is asked anew, of a reversal too; only what nobody can sign refuses it.
        refusing = [one.text for one in left if one.reason not in APPROVALS]
        if refusing and row.action == Reason.REVERSAL_APPROVAL_REQUIRED:
            refused[row.id] = (
                f"{'; '.join(refusing)}: nothing is signed. Put that right first; or refuse it, and it may be asked "
                "for anew on another day"
            )
        told[row.id] = [one.text for one in left]
    return {id_: texts for id_, texts in told.items() if texts}, refused


def on_its_day(row: Approval) -> tuple[EntryView | None, list[str], bool]:
    """Of a re-dating that is to be decided: the journal on the new day, what stops it there, and whether by that it
    cannot be signed at all.
    """
    fact = fact_of(row.case) if row.case is not None and row.state == "requested" else None
    if fact is None:
        return None, [], False
    day = dt.date.fromisoformat(row.data["effective_on"])
    (shown,) = journal.preview([redating.proposed(fact, day)])
    texts = [finding.text for finding in shown.findings]
    try:
        redating.check(fact, day)
    except redating.NotRedatable as error:
        return shown.entry, texts or [str(error)], True
    return shown.entry, texts, False


def carry_out(user: Any, rows: Sequence[Approval]) -> None:
    """What was just approved, in the caller's transaction. Raises CannotBeDone of the first that cannot be any more."""
    for row in rows:
        try:
            if row.action == approvals.REOPEN:
                _reopen(user, row)
            elif row.action == approvals.REDATE:
                _redate(user, row)
            elif row.action == approvals.AFTER_ALL:
                after_all.take_up(row)
        except NotPossible as refused:
            raise CannotBeDone(row.id, refused.text) from None


def _reopen(user: Any, row: Approval) -> None:
    entity, subledger, name = row.subject_id.split(":")
    period = FiscalPeriod.objects.get(entity__code=entity, subledger=subledger, name=name)
    try:
        periods.reopen(period, by=rights.name_of(user), why=f"{row.reason} (asked by {_asked_by(row)})")
    except (TransitionNotAllowed, ConcurrentTransition):
        raise NotPossible(f"{period.key} is open already; refuse the request") from None


def _redate(user: Any, row: Approval) -> None:
    fact = fact_of(row.case) if row.case else None
    if fact is None:
        raise NotPossible("What was to be re-dated is not there any more")
    day = _checked(fact, dt.date.fromisoformat(row.data["effective_on"]))
    redating.decide(fact, day, reason=row.reason, asked_by=_asked_by(row), approved_by=rights.name_of(user))


def _asked_by(row: Approval) -> str:
    return rights.name_of(row.requested_by) if row.requested_by else "q2c"


def _checked(fact: Fact, effective_on: dt.date) -> dt.date:
    try:
        redating.check(fact, effective_on)
    except redating.NotRedatable as error:
        raise NotPossible(str(error)) from None
    return effective_on


def fact_of(case: Case) -> Fact | None:
    """The invoice that the case's step records or whose journal it posts; a mirror entry has a day of its own."""
    step = Step.objects.filter(id=case.step_id).select_related("event").first() if case.step_id else None
    # What may have reached the platform keeps its date.
    if step is None or step.state != "failed" or step.sent_at is not None:
        return None
    event_id = step.event_id if step.stage == "record_invoice" else None
    if step.stage == "post_journal":
        asked = stored.read(step.event.payload, JournalFact).journal_id
        entry = living([asked])[asked]
        event_id = entry.event_id if entry.reverses_id is None else None
    return booking.facts_of_events([event_id]).get(event_id) if event_id else None
