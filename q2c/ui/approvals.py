"""What one person asked for and another decides."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import replace
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from exceptions import approvals as asked
from exceptions import rights
from exceptions.approvals import Decision
from exceptions.errors import NotPossible
from exceptions.models import Approval
from exceptions.sentences import count, listed
from ledger.journal import EntryView
from ledger.models import FiscalPeriod
from q2c.engine import decisions, desk, previews
from q2c.money import Money
from q2c.reading import approvals as reading
from q2c.reading import reopening
from q2c.reasons import APPROVALS_OF_INVOICES, Reason
from q2c.stages.fiscal import periods_on
from q2c.ui import links, lists, parts
from q2c.ui.acting import answering, back
from q2c.ui.formats import dates
from q2c.ui.frame import tell
from q2c.ui.replays import journal_of
from q2c.ui.rights import right


@require_safe
@right("exceptions.view_case")
def approvals(request: HttpRequest) -> HttpResponse:
    """To be decided, the oldest first; or decided, the latest first."""
    decided = request.GET.get("view") == "decided"
    seen = Approval.objects.visible_to(request.user).select_related(
        "case", "case__owner_team", "requested_by", "decided_by"
    )
    if decided:
        page = lists.page_of(request, seen.exclude(state="requested"), {"at": "decided_at"}, "-at")
    else:
        page = lists.page_of(request, seen.filter(state="requested"), {"asked": "requested_at"}, "asked")
    waiting = None if decided else len(page.rows) if not page.next else None
    context = {
        "tabs": [
            parts.Tab("To decide", "?", waiting, not decided),
            parts.Tab("Decided", "?view=decided", current=decided),
        ],
        "decided": decided,
        "page": page,
        "requests": [_shown(request.user, one) for one in reading.requests(request.user, page.rows)],
    }
    return render(request, "approvals/approvals.html", context)


class Shown(NamedTuple):
    """A request with what its signature grants: the mirror entry, the journal on its new day, what waits.

    `stopped` is what is in the way, as one text; `refused`: by that it cannot be signed now.
    """

    asked: reading.Request
    mirror: parts.JournalPreview | None
    late: dict[str, Any] | None
    waiting: dict[str, Any] | None
    stopped: str
    refused: bool


def _shown(user: Any, one: reading.Request) -> Shown:
    """No mirror entry where none could be booked."""
    mirror = _mirror(one.reversing) if one.reversing and not one.in_the_way else None
    late = _late(one.approval) or {}
    stopped = "; ".join(one.in_the_way or late.get("findings", ()))
    refused = bool(one.reversing and one.in_the_way) or bool(late.get("refused"))
    return Shown(one, mirror, late or None, _waiting(user, one.approval), stopped, refused)


def _mirror(found: reading.Reversing) -> parts.JournalPreview:
    """What is signed: the mirror entry as it would be booked."""
    lines = [
        parts.JournalLine(line.account, line.account_name, line.credit_minor, line.debit_minor, line.memo,
                          line.dimensions, line.rule)
        for line in found.view.lines
    ]  # fmt: skip
    month = found.view.entity, found.effective_on
    period = periods_on([month])[month]
    books = _in_books(found.view)
    return parts.JournalPreview(found.view.currency, lines, entity=found.view.entity, period=period, in_books=books)


def _in_books(view: EntryView) -> Money | None:
    """The debits as booked, where that is in another currency than the document's."""
    code = view.functional_currency
    if code == view.currency:
        return None
    return Money(sum(line.functional_minor for line in view.lines if line.functional_minor > 0), code)


def _late(approval: Approval) -> dict[str, Any] | None:
    """The days of a re-dating, and the journal as it would be booked on the new one while that is not decided."""
    if approval.action != asked.REDATE:
        return None
    days = {name: dt.date.fromisoformat(approval.data[name]) for name in ("source_on", "effective_on")}
    view, findings, refused = decisions.on_its_day(approval)
    entry = journal_of({"journal": previews.journal(view)}) if view else None
    if view is not None and entry is not None:
        entry = replace(entry, in_books=_in_books(view))
    entity = approval.case.entity if approval.case is not None else ""
    periods = periods_on({(entity, day) for day in days.values()})
    months = {f"{name}_in": periods[entity, day] for name, day in days.items()}
    return {**days, **months, "journal": entry, "findings": findings, "refused": refused}


def _waiting(user: Any, approval: Approval) -> dict[str, Any] | None:
    """What waits for a period that is to be reopened, and what is open in it; decided, what was shown then."""
    if approval.action != asked.REOPEN:
        return None
    period = reopening.period_of(approval.subject_id)
    ways = _ways(user, period) if period is not None else {}
    if approval.state != "requested":
        return {"lines": approval.shown.splitlines(), **ways} if approval.shown or ways else None
    if period is None:
        return None
    found = reopening.of(user, period)
    return {"waits": _held(found.waiting), "meets": _held(found.next), "lines": found.left, **ways}


def _held(held: reopening.Held) -> dict[str, Any]:
    """Empty where there is none."""
    if not held.cases:
        return {}
    href = links.to("queue", tab="all", q=held.query)
    return {"cases": held.cases, "sums": parts.by_sign(held.amounts), "href": href}


def _ways(user: Any, period: FiscalPeriod) -> dict[str, str]:
    """Where the cases of its month are, and what became of the period so far, for whoever is let into the admin."""
    history = links.to("admin:ledger_fiscalperiod_history", period.pk)
    may = user.is_staff and user.has_perm("ledger.view_fiscalperiod")
    return {"queue": links.to("queue", tab="all", q=reopening.cases_of(period)), "history": history if may else ""}


def _shown_of(user: Any, approval_id: uuid.UUID) -> str:
    """What the card of a request tells of the period that it would open, to be kept with the decision."""
    wanted = Approval.objects.visible_to(user).filter(id=approval_id, action=asked.REOPEN, state="requested").first()
    found = reopening.of_key(user, wanted.subject_id) if wanted is not None else None
    if found is None:
        return ""
    told = {"Waits for it": found.waiting, "Would meet it next": found.next}
    waits = [f"{name}: {_in_words(held)}" for name, held in told.items() if held.cases]
    return "\n".join([*waits, *found.left])


def _in_words(held: reopening.Held) -> str:
    """1 case, EUR 1,190.00"""
    worth = listed([str(each) for each in parts.by_sign(held.amounts)])
    return f"{count(held.cases, 'case')}{f', {worth}' if worth else ''}"


@require_POST
@right("exceptions.view_case", verbs={"approve": rights.APPROVE, "refuse": rights.APPROVE, "withdraw": rights.WORK})
@answering
def decide(request: HttpRequest, approval_id: uuid.UUID) -> HttpResponse:
    """approve, refuse (then: owner or reject) or withdraw; nobody decides what they asked for."""
    verb, text = request.POST.get("verb", ""), request.POST.get("reason", "").strip()
    if verb == "approve":
        decision = desk.approve(request.user, [approval_id], text, shown=_shown_of(request.user, approval_id))
        happened, then = "Approved.", _after_approval(decision)
    elif verb == "refuse":
        for_good = request.POST.get("then", "owner") == "reject"
        shown = _shown_of(request.user, approval_id)
        decision = desk.refuse(request.user, [approval_id], text, for_good=for_good, shown=shown)
        happened, then = "Refused.", _after_refusal(approval_id, decision)
    elif verb == "withdraw":
        decision = desk.withdraw(request.user, [approval_id], text)
        happened = "Taken back."
        then = _after_withdrawal(decision)
    else:
        raise NotPossible(f"Nothing can be decided that is called “{verb}”")
    if decision.done:
        tell(request, "warn" if decision.in_the_way else "good", happened, then)
    for reason in decision.left.values():
        tell(request, "warn", "Not decided:", f"{reason}.")
    return HttpResponseRedirect(back(request, "approvals"))


_REVERSAL = str(Reason.REVERSAL_APPROVAL_REQUIRED)
_INVOICE = str(Reason.INVOICE_APPROVAL_REQUIRED)
_GIVEN_UP = str(Reason.INVOICE_GIVEN_UP)
_CANCELLED = str(Reason.INVOICE_CANCELLED)
_CANCELLATION = str(Reason.CANCELLATION_APPROVAL_REQUIRED)
_BACK = "The case is back in the queue."
_STAYS_UNPOSTED = "It stays given up: in the books here, and not in the ledger."


def _has_case(decision: Decision) -> bool:
    return any(row.case_id for row in decision.rows)


def _after_approval(decision: Decision) -> str:
    action = decision.rows[0].action if decision.rows else ""
    if stopped := [text for told in decision.in_the_way.values() for text in told]:
        return f"It is checked again now, and does not go on before this is settled: {dates('; '.join(stopped))}."
    said = {
        asked.CLOSE: "It is closed; what waited behind it goes on.",
        asked.REOPEN: "The period is open. What waited for it is offered for replay; nothing is booked by itself.",
        asked.REDATE: "It is booked anew on that day, and sent.",
        asked.AFTER_ALL: "It is searched for in the ledger by its key now, and sent where it is not there, unless "
        "billing has taken it back.",
        _REVERSAL: "The mirror entry is made now and sent; once the ledger has posted it, the journal is reversed.",
        **dict.fromkeys(map(str, APPROVALS_OF_INVOICES), "It is recorded and booked now."),
        _CANCELLATION: "It is cancelled in billing now, then here.",
    }
    return said.get(action, "It is checked again now, and goes on from there.")


def _after_withdrawal(decision: Decision) -> str:
    if any(row.action == asked.AFTER_ALL for row in decision.rows):
        return _STAYS_UNPOSTED
    return "Nothing came of it." if decision.closed_steps or not _has_case(decision) else _BACK


def _after_refusal(approval_id: uuid.UUID, decision: Decision) -> str:
    action = decision.rows[0].action if decision.rows else ""
    if action == _GIVEN_UP:
        return "It stays given up; in billing it stands until somebody voids it."
    if action == _CANCELLED:
        return "Nothing of it is booked: billing has cancelled it."
    if action == asked.AFTER_ALL:
        return _STAYS_UNPOSTED
    if action in asked.ENDED_BY_NO or not _has_case(decision):
        return "The request has ended; nothing is done."
    if decision.closed_steps and action == _INVOICE:
        return "It is not booked; in billing it stands until somebody voids it."
    if decision.closed_steps:
        return "The order is rejected; the sales platform is told why."
    case = Approval.objects.select_related("case__owner_team").get(id=approval_id).case
    return f"{case.shown} is back with {case.owner_team.name}, with your reason on it." if case else ""
