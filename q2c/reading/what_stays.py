"""What becomes of a case's document when the case is closed without fix: said before it is decided, and once it is."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from exceptions import rights
from exceptions.approvals import AFTER_ALL, CLOSE
from exceptions.models import Case
from exceptions.models.case import UNRESOLVED, called
from ledger.models import JournalEntry
from q2c.engine.unread import standing
from q2c.models import Invoice, Step
from q2c.reading import billing_now, came_unreadable, given_up, unread
from q2c.reasons import Reason
from q2c.stages import in_part, not_owed, post_journal
from q2c.stages.taken_back_there import CANCELLED, TAKEN_BACK
from q2c.stages.versions import invoice_key

_OTHERS = {
    "accept_order": "The order is rejected for good, the sales platform is told, and nothing of it is billed.",
    "sync_customer": "The customer is not made there by q2c; what waits behind it goes on without it.",
    "provision_billing": "The subscription is not made there by q2c, and billing issues no invoice of it by itself.",
    "activate_subscription": "The phase is not activated there by q2c; what waits behind it goes on without it.",
    "cancel_order": "The order is not cancelled by this request.",
    "reverse_journal": "The journal is not reversed: it stays as it is.",
    "write_back": "The sales platform is not told.",
    "look_again": "The ledger keeps what it holds of it; here it stays as it is.",
}
# Of what was sent, and may be there all the same.
_THERE = {
    "sync_customer": "may hold the customer",
    "provision_billing": "may hold the subscription, and bill it from its day on",
    "activate_subscription": "may have activated it",
}
_ELSE = "Nothing is sent, and what waits behind it goes on without it."
_TAKEN_BACK = (
    "Billing has taken it back, and it stays in the books here: it is listed as in the books and not in billing until "
    "its journal is reversed or leaves the books unposted, or billing posts it again."
)
_CUT_SHORT = (
    "The order goes on here, and billing bills nothing of that subscription for the days from its end on; it is told "
    "again only when billing's day changes."
)
_UNREADABLE = "What came in unreadable is kept as it came; nothing of it is recorded or booked."


@dataclass(frozen=True, slots=True)
class _Known:
    """Of some steps: what is recorded of the same document, the journal that is posted, and its invoice by event.

    `in_part`: by order, what billing has cancelled of it already.
    """

    recorded: Mapping[tuple[str, str], Invoice]
    entries: Mapping[uuid.UUID, JournalEntry]
    invoices: Mapping[uuid.UUID, Invoice]
    in_part: Mapping[str, str]

    def first(self, step: Step) -> Invoice | None:
        there = self.recorded.get((step.entity, step.business_key))
        return there if there is not None and there.event_id != step.event_id else None


def will(case: Case, root_cause: str = "") -> str:
    """What giving it up would come to, for whoever decides; `root_cause` is the one that was asked for."""
    return wills([(case, root_cause)])[case.id]


def wills(asked: Iterable[tuple[Case, str]]) -> dict[uuid.UUID, str]:
    """The same of many, by case. A bounded number of statements."""
    asked = list(asked)
    steps = _steps([case.step_id for case, _ in asked if case.step_id])
    known = _known(steps.values())
    return {
        case.id: _of_no_step(case) or _will(steps.get(case.step_id), root_cause, known) for case, root_cause in asked
    }


def _of_no_step(case: Case) -> str:
    """Of what billing ended, an invoice or a subscription."""
    return _CUT_SHORT if case.reason == Reason.SUBSCRIPTION_CUT_SHORT else _TAKEN_BACK if case.code == CANCELLED else ""


def posted_after_all(cases: Iterable[Case]) -> dict[uuid.UUID, str]:
    """By case whose journal was given up: what comes of it once a second person has it posted."""
    by_step = {case.step_id: case.id for case in cases if case.step_id}
    steps = _steps([id_ for id_ in by_step if id_]).values()
    known = _known(steps)
    unowed = not_owed.of(known.entries.values())
    return {by_step[step.id]: _posting(step, known, unowed) for step in steps}


def _posting(step: Step, known: _Known, unowed: Collection[uuid.UUID]) -> str:
    entry = known.entries.get(step.id)
    invoice = known.invoices.get(entry.event_id) if entry is not None and entry.reverses_id is None else None
    sent = "It was sent before. " if not_owed.may_be_there(step) else ""
    gone = (
        f"{_billing(invoice.source)} has taken the invoice back since"
        if invoice is not None and invoice.taken_back_at is not None
        else ""
    )
    if gone and entry is not None and entry.id in unowed:
        return (
            f"{sent}{gone}. {entry} is searched for in {step.connection} by its key: what is there is posted here, and "
            "is to be reversed then; what is not there is not sent, and leaves the books."
        )
    gone = f" {gone}: once posted, its journal is to be reversed." if gone else ""
    return (
        f"{sent}{entry or 'The journal'} is searched for in {step.connection} by its key, and sent only where it is "
        f"not there. What was booked there by hand has another key: look there first, else it is there twice.{gone}"
    )


def has(user: Any, case: Case) -> str:
    """What it has come to, of a case that was closed without fix, or ended as billing took its invoice back unbooked;
    empty of any other."""
    if case.state != "closed_without_fix":
        return _unbooked(case) if case.resolution == "superseded" else ""
    if case.reason == Reason.SUBSCRIPTION_CUT_SHORT:
        return _CUT_SHORT
    if case.code == CANCELLED:
        return _of_taken_back(case)
    step = _steps([case.step_id]).get(case.step_id) if case.step_id else None
    known = _known([step] if step is not None else [])
    if step is None:
        return _of_unreadable(user, case)
    if step.stage not in ("record_invoice", "post_journal"):
        return _will(step, case.root_cause, known)
    left = given_up.of_step(user, step)
    if left is not None and left.kind == "journal":
        told = f"It is in the books here and not in {left.where}: it was given up, and will not be posted from here"
        if case.approvals.filter(action=AFTER_ALL, state="requested").exists():
            return f"{told} before a second person decides that it is; that is asked for."
        return f"{told} by itself. Is it wanted there after all, a second person decides."
    if left is not None:
        since = f" It has come again since, so that it cannot be read ({left.again.shown})." if left.again else ""
        return (
            f"Nothing was booked, and nothing will be: it was given up. {_billing(left.where)} still has it posted."
            f"{since} Is it changed there, or wanted here after all, a second person decides."
        )
    entry = known.entries.get(step.id)
    if entry is not None and (entry.reverses_id is not None or entry.state != "superseded"):
        return _unposted(step, case.root_cause, known)
    there = known.first(step)
    was_there = there is not None and (step.finished_at is None or there.recorded_at < step.finished_at)
    came_by = entry.event_id if entry is not None else step.event_id
    if not was_there and (told := _told_again(user, came_by) or _unreadable_since(user, came_by)):
        return told
    if there is not None:
        if there.reversed_at is not None:
            return _reversed(there, step)
        return f"Nothing was booked for what came again: {there.number} stands as it was recorded."
    by_hand = f" {_by_hand(step)}" if entry is not None else ""
    return f"Nothing was booked for it. Billing has taken it back, or changed it, since.{by_hand}"


def _unbooked(case: Case) -> str:
    """Of an invoice that billing took back before it was booked or posted."""
    step = _steps([case.step_id]).get(case.step_id) if case.step_id else None
    if step is None or step.stage not in ("record_invoice", "post_journal") or TAKEN_BACK not in step.proof:
        return ""
    known = _known([step])
    entry = known.entries.get(step.id)
    if known.first(step) is not None or (entry is not None and entry.state != "superseded"):
        return ""
    left = f" Journal {entry} left the books here unposted." if entry is not None else ""
    asked = case.approvals.filter(action=CLOSE).select_related("requested_by").order_by("id").last()
    if entry is not None and asked is not None:
        # Whoever wanted it given up may have booked it there.
        by = f"{rights.called(asked.requested_by)} had asked" if asked.requested_by is not None else "It was asked"
        left += f" {by} that it be given up: {asked.reason.rstrip('.')}. {_by_hand(step)}"
    return f"Nothing is booked for it, and nothing will be: billing has taken the invoice back.{left}"


def _by_hand(step: Step) -> str:
    return f"Was its journal booked in {step.connection} by hand, that entry is now to be reversed there."


def _told_again(user: Any, event_id: uuid.UUID) -> str:
    """Of an invoice that was given up and came again since, what that came to; empty where it did not."""
    mine = Step.objects.filter(stage="record_invoice", event=event_id).select_related("event").first()
    if mine is None:
        return ""
    at = mine.event.occurred_at
    later = Q(event__occurred_at__gt=at) | Q(event__occurred_at=at, seq__gt=mine.seq)
    return _newest_of(user, Step.objects.filter(later, stage="record_invoice", order_key=mine.order_key))


def _unreadable_since(user: Any, event_id: uuid.UUID) -> str:
    """The same of one that came again and cannot be read; empty where it did not."""
    case = came_unreadable.since(user, [event_id]).get(event_id)
    return f"It was given up, and has come again since, so that it cannot be read ({case.shown})." if case else ""


def _of_unreadable(user: Any, case: Case) -> str:
    """The same of what could not be read; a version of what is recorded is another matter, as is what is no invoice."""
    recorded = Q(billing_reference=case.called, source=case.told_by, recorded_at__lt=case.resolved_at)
    before = Invoice.objects.filter(recorded).exclude(state="voided").first()
    if not case.called or not unread.is_one(case):
        return _UNREADABLE
    if before is not None:
        return f"{_UNREADABLE} {_still_booked(case, before)}"
    mine = Q(order_key=invoice_key(case.told_by, case.called))
    if case.entity:
        mine |= Q(business_key=case.business_key, entity=case.entity)
    came = Step.objects.filter(mine, stage="record_invoice", event__received_at__gt=case.opened_at)
    told = _newest_of(user, came) or _still_unreadable(user, case)
    return told or f"{_UNREADABLE} Once it comes so that it can be read, a second person decides."


def _still_booked(case: Case, there: Invoice) -> str:
    told = f"{there.number} stays in the books as it was recorded first"
    if not standing([case]):
        return f"{told}; it came again since, or was taken back in billing."
    return f"{told}; it is listed as given up unread, where it is booked, until it comes so that it can be read."


def _still_unreadable(user: Any, case: Case) -> str:
    """Of one that came again since and cannot be read either; empty where it did not."""
    later = Case.objects.visible_to(user).filter(called([case.called]), source=case.source, number__gt=case.number)
    again = later.filter(state__in=(*UNRESOLVED, "closed_without_fix")).order_by("-number").first()
    told = "It was given up, and has come again since, so that it cannot be read"
    return f"{told} ({again.shown})." if again is not None and again.told_by == case.told_by else ""


def _newest_of(user: Any, versions: QuerySet[Step]) -> str:
    newest = versions.select_related("event").order_by("event__occurred_at", "seq").last()
    if newest is None or newest.reason == Reason.SUPERSEDED:
        return ""
    case = Case.objects.visible_to(user).filter(step_id=newest.id).first()
    where = f" ({case.shown})" if case is not None else ""
    if newest.state == "abandoned":
        return f"It was given up, came again since, and was given up once more{where}."
    if newest.state != "done" and case is not None and case.reason != Reason.INVOICE_GIVEN_UP:
        return f"It was given up, came again since, and stopped once more: {case.text.rstrip('.')}{where}."
    if newest.state != "done":
        return f"It was given up, and has come again since: nothing is booked until a second person approves it{where}."
    booked = Invoice.objects.filter(event=newest.event_id).exclude(state="voided").first()
    return f"It was given up, and booked after all since, as {booked.number}{where}." if booked is not None else ""


def _of_taken_back(case: Case) -> str:
    there = billing_now.invoice_of(case)
    if there is not None and there.reversed_at is not None:
        return "Billing had taken it back, and its journal was reversed since: nothing of it stands in the books."
    if there is not None and there.taken_back_at is None:
        return "Billing had taken it back, and has posted it again since: it stands in the books here, too."
    return _TAKEN_BACK


def _steps(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID | None, Step]:
    rows = Step.objects.filter(id__in=list(ids)).select_related("event").defer("event__payload")
    return {step.id: step for step in rows}


def _known(steps: Iterable[Step]) -> _Known:
    steps = list(steps)
    came = [step for step in steps if step.stage == "record_invoice"]
    posting = [step for step in steps if step.stage == "post_journal"]
    entries = post_journal.journals_of(posting) if posting else {}
    recorded = Invoice.objects.filter(number__in=[step.business_key for step in came]).exclude(state="voided")
    booked = Invoice.objects.filter(event__in=[entry.event_id for entry in entries.values()])
    cancelling = {step.business_key for step in steps if step.stage == "cancel_order"}
    return _Known(
        {(one.entity, one.number): one for one in recorded} if came else {},
        entries,
        {one.event_id: one for one in booked} if entries else {},
        in_part.told(cancelling) if cancelling else {},
    )


def _will(step: Step | None, root_cause: str, known: _Known) -> str:
    if step is None:
        return _UNREADABLE
    if step.stage == "post_journal":
        return _unposted(step, root_cause, known)
    if step.stage == "cancel_order" and (done := known.in_part.get(step.business_key)):
        return f"{_OTHERS[step.stage]} {done}. What is cancelled there stays so."
    if step.stage != "record_invoice":
        return left_there(step) or _OTHERS.get(step.stage, _ELSE)
    if there := known.first(step):
        if there.reversed_at is not None:
            return _reversed(there, step)
        return f"{there.number} stays in the books as it was recorded first; what came again is not booked."
    return (
        f"Nothing was booked for {step.business_key or 'it'}, and nothing will be. {_billing(step.event.source)} still "
        "has it posted; until it is voided there it is listed as given up, on its order and where its period is closed."
    )


def left_there(step: Step) -> str:
    """What a platform may hold of a step that is given up; empty where it surely holds nothing of it."""
    if step.sent_at is None or step.stage not in _THERE:
        return ""
    return f"It was sent, and {step.connection} {_THERE[step.stage]}: look there. q2c does nothing more with it."


def _reversed(there: Invoice, step: Step) -> str:
    source = step.event.source if step.reason == Reason.INVOICE_CHANGED else there.source
    return (
        f"The books hold none of {there.number}: its journal was reversed. {_billing(source)} has it posted: "
        "until it is voided there it is listed as posted in billing and not in the books."
    )


def _unposted(step: Step, root_cause: str, known: _Known) -> str:
    entry = known.entries.get(step.id)
    is_mirror = entry is not None and entry.reverses_id is not None
    if not_owed.may_be_there(step) and is_mirror and entry is not None and entry.state != "superseded":
        return (
            f"It was sent, and {step.connection} may hold it all the same: the reversal stays as it is until "
            f"{step.connection} was searched for it: what is there is a case, what is not makes room for another one."
        )
    if not_owed.may_be_there(step) and not is_mirror:
        return (
            f"It was sent, and {step.connection} may hold it all the same: the journal stays in the books here, and is "
            "not sent again. Look there by its key before it is booked by hand."
        )
    if is_mirror:
        return "The reversal is given up: the journal that it was to take back stays, and may be reversed anew."
    invoice = known.invoices.get(entry.event_id) if entry is not None else None
    if entry is not None and invoice is not None and post_journal.makes_room(entry, root_cause):
        return (
            f"It was never sent: invoice {invoice.number} is voided here, so the books hold none of it. "
            f"{_billing(invoice.source)} still has it posted; until it is voided there it is listed as given up."
        )
    return (
        f"Invoice and journal stay in the books here, and are not posted to {step.connection} from here; they are "
        "listed as given up, on their order and where their period is closed."
    )


def _billing(source: str) -> str:
    return f"Billing ({source})"
