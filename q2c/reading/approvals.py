"""What a person signs, whole: every finding that the signature grants, and what the amounts are made of."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from exceptions import sentences
from exceptions.approvals import AFTER_ALL, CLOSE, REDATE, REOPEN, rights_for
from exceptions.models import Approval, Case, Policy, Team
from ledger import journal
from ledger.journal import EntryView
from ledger.models import JournalEntry
from q2c.contracts import stored
from q2c.contracts.events import JournalReversalRequested
from q2c.models import Order, Step
from q2c.money import Money
from q2c.reading import (
    after_reversal,
    billing_beside,
    cause_gone,
    given_up_before,
    in_books,
    ledger_refuses,
    what_stays,
)
from q2c.reading.given_up_before import Before
from q2c.reasons import APPROVALS_OF_INVOICES, Reason
from q2c.stages import STAGES, booking, reverse_journal, totals

_REVERSAL = str(Reason.REVERSAL_APPROVAL_REQUIRED)
_KINDS = {
    CLOSE: "closing",
    REDATE: "redate",
    REOPEN: "reopen",
    AFTER_ALL: "after_all",
    _REVERSAL: "reversal",
    str(Reason.INVOICE_APPROVAL_REQUIRED): "invoice",
    str(Reason.INVOICE_GIVEN_UP): "given_up",
    str(Reason.INVOICE_CANCELLED): "cancelled",
    str(Reason.CANCELLATION_APPROVAL_REQUIRED): "cancellation",
}
# What a person asked for is called by that; what the flow asks about by the title of its policy.
_TITLES = {
    CLOSE: "Close without a fix",
    REDATE: "Re-date",
    REOPEN: "Reopen a period",
    AFTER_ALL: "Post after all",
    _REVERSAL: "Reverse a journal",
}


@dataclass(frozen=True, slots=True)
class Granted:
    """One finding. Value, limit and what is over it are Money, or numbers of percent."""

    text: str
    of: str = ""
    value: Money | Decimal | None = None
    limit: Money | Decimal | None = None
    over: Money | Decimal | None = None
    amounts: list[tuple[str, Money]] = field(default_factory=list)
    rates: list[tuple[str, str, Decimal, dt.date]] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reversing:
    """The journal that a signature has reversed, and on which day; `view` has the lines that are turned."""

    entry: JournalEntry
    view: EntryView
    effective_on: dt.date
    reason: str
    after: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request with the order or the journal it is about, if the person may see that."""

    approval: Approval
    title: str
    granted: list[Granted]
    besides: list[str]
    # The team that a refusal goes to.
    back_to: str = ""
    order: Order | None = None
    portions: list[totals.Portion] = field(default_factory=list)
    reversing: Reversing | None = None
    # Of a case that is to be closed without fix, or whose journal is to be posted after all: what then becomes of it.
    stays: str = ""
    # What its amount comes to in the books, where they are kept in another currency.
    in_books: Money | None = None
    # Who gave the same invoice up before.
    before: Before | None = None
    # Of a reversal or an invoice that is still to be decided: what stops it, whoever signs.
    in_the_way: Sequence[str] = ()
    # Of a reversal that could be signed: what is known by which the ledger would refuse its mirror entry.
    ledger_refuses: str = ""
    # Of an invoice that is still to be decided: what billing has otherwise, told since this was asked for.
    billing_has: str = ""

    @property
    def right(self) -> str:
        """What deciding needs, with a space between: the right to decide, and then that of the thing itself."""
        return " ".join(rights_for(self.approval.action))

    @property
    def subject(self) -> str:
        """What it is about where that is no case: receivables of JP, November 2026."""
        return _thing(self.approval)

    @property
    def about(self) -> str:
        """The document that a decision is about, by its number."""
        return str(self.reversing.entry) if self.reversing is not None else subject_of(self.approval)

    @property
    def kind(self) -> str:
        """Whose words its card has: closing | redate | reopen | after_all | reversal | invoice | given_up |
        cancelled | cancellation | order."""
        return kind_of(self.approval.action)

    @property
    def is_granting(self) -> bool:
        """Whether a signature grants findings of an order or an invoice; else it is about what somebody asked for."""
        return self.kind in ("order", "invoice", "given_up", "cancelled")

    @property
    def worth(self) -> list[tuple[int, str]]:
        """What the signature is about, as (minor units, currency): what its findings say, else the document's amount.

        A cancellation takes away what is invoiced for days after it, never the order's amount.
        """
        return worth_of(self.approval)

    @property
    def is_mixed(self) -> bool:
        """Whether the amount is a sum over currencies, or of another one."""
        return bool(self.portions)


def kind_of(action: str) -> str:
    """See Request.kind."""
    return _KINDS.get(action, "order")


def worth_of(approval: Approval) -> list[tuple[int, str]]:
    """See Request.worth."""
    told = [(minor, code) for one in approval.data.get("findings", ()) for minor, code in one.get("worth") or ()]
    if told or kind_of(approval.action) == "cancellation" or approval.amount_minor is None:
        return told
    return [(approval.amount_minor, approval.currency)]


def subject_of(approval: Approval) -> str:
    """The document of its case by its number, else what it is about: receivables of JP, November 2026."""
    case = approval.case
    return (case.business_key or case.shown) if case is not None else _thing(approval)


def _thing(approval: Approval) -> str:
    return sentences.thing(("", "fiscal_period", approval.subject_id, ""))


def of_cases(user: Any, cases: Iterable[Case]) -> list[Approval]:
    """What second persons were asked about some cases, decided or not, the oldest first."""
    ids = [case.id for case in cases]
    rows = Approval.objects.visible_to(user).filter(case__in=ids) if ids else Approval.objects.none()
    return list(rows.select_related("requested_by", "decided_by", "case").order_by("requested_at", "id"))


def requests(user: Any, approvals: Sequence[Approval]) -> list[Request]:
    """A bounded number of statements, however many."""
    numbers = {a.case.business_key for a in approvals if a.case is not None and a.case.stage == "accept_order"}
    orders = {o.number: o for o in Order.objects.visible_to(user).filter(number__in=numbers)} if numbers else {}
    titles = dict(Policy.objects.values_list("reason", "title")) | _TITLES
    teams = dict(Team.objects.values_list("code", "name"))
    portions = {number: totals.of(order) for number, order in orders.items()}
    reversing, stays = _reversing(user, approvals), _stays(approvals)
    stopped = _late_reversals(approvals, reversing) | _late_invoices(approvals)
    refused_there = _refused_there(user, approvals, reversing, stopped)
    books = in_books.of(approvals, {id_: one.view for id_, one in reversing.items()})
    before = given_up_before.of(user, [a.case for a in approvals if a.case is not None])
    untold, found = billing_beside.untold(approvals), []
    for approval in approvals:
        case, data = approval.case, approval.data
        number = case.business_key if case is not None else ""
        stage = STAGES.get(case.stage) if case is not None else None
        found.append(
            Request(
                approval=approval,
                title=titles.get(approval.action, approval.action),
                granted=[_granted(finding) for finding in data.get("findings", ())],
                besides=[titles.get(reason, reason) for reason in data.get("besides", ())],
                back_to=teams.get(stage.team, "") if stage is not None else "",
                order=orders.get(number),
                portions=portions.get(number, []),
                reversing=reversing.get(approval.id),
                stays=stays.get(case.id, "") if case is not None else "",
                in_books=books.get(approval.id),
                before=before.get(case.id) if case is not None else None,
                in_the_way=stopped.get(approval.id, ()),
                ledger_refuses=refused_there.get(approval.id, ""),
                billing_has=untold.get(approval.id, ""),
            )
        )
    return found


def _stays(approvals: Sequence[Approval]) -> dict[uuid.UUID, str]:
    """By case: what the decision would leave, of what is still to be decided."""
    waiting = [(a.action, a.case, a.data) for a in approvals if a.state == "requested" and a.case is not None]
    closing = [(case, str(data.get("root_cause", ""))) for action, case, data in waiting if action == CLOSE]
    posting = [case for action, case, _ in waiting if action == AFTER_ALL]
    stays = what_stays.wills(closing) | what_stays.posted_after_all(posting)
    since = billing_beside.of_unposted([case for action, case, _ in waiting if action in (AFTER_ALL, REDATE)])
    told = stays | {id_: f"{stays.get(id_, '')} {said}.".strip() for id_, said in since.items()}
    own = [case for action, case, _ in waiting if action == REDATE and cause_gone.is_open_again(case)]
    return told | {case.id: f"{_own_day(case)} {told.get(case.id, '')}".strip() for case in own}


def _own_day(case: Case) -> str:
    """Of what is to be booked on another day since its own period was closed, and is open by now."""
    return f"{sentences.month(case.period)} is open again: refused, it is booked on its own day by a replay."


def _reversing(user: Any, approvals: Sequence[Approval]) -> dict[uuid.UUID, Reversing]:
    """By approval: read from the request that its step works on."""
    asked = {a.id: a.case.step_id for a in approvals if a.action == _REVERSAL and a.case is not None}
    if not asked:
        return {}
    steps = Step.objects.filter(id__in=set(asked.values())).select_related("event")
    of_step = {step.id: stored.read(step.event.payload, JournalReversalRequested) for step in steps}
    wanted = {id_: of_step[step_id] for id_, step_id in asked.items() if step_id in of_step}
    seen = JournalEntry.objects.visible_to(user).select_related("entity", "period")
    entries = {str(one.id): one for one in seen.filter(id__in=[each.journal_id for each in wanted.values()])}
    after = after_reversal.of(user, list(entries.values()))
    views = {str(view.id): view for view in journal.read([one.id for one in entries.values()])}
    return {
        id_: Reversing(entry, views[one.journal_id], one.effective_on, one.reason, after[entry.id].text)
        for id_, one in wanted.items()
        if (entry := entries.get(one.journal_id)) is not None
    }


def _late_reversals(approvals: Sequence[Approval], found: Mapping[uuid.UUID, Reversing]) -> dict[uuid.UUID, list[str]]:
    asked = {a.id: found[a.id] for a in approvals if a.state == "requested" and a.id in found}
    told = reverse_journal.in_the_way([(one.entry, one.effective_on) for one in asked.values()])
    return dict(zip(asked, told, strict=True))


def _refused_there(
    user: Any,
    approvals: Sequence[Approval],
    found: Mapping[uuid.UUID, Reversing],
    stopped: Mapping[uuid.UUID, Sequence[str]],
) -> dict[uuid.UUID, str]:
    """Of a reversal that is stopped here nothing is posted."""
    asked = [a.id for a in approvals if a.state == "requested" and a.id in found and not stopped.get(a.id)]
    told = ledger_refuses.of_mirrors(user, [(found[id_].view, found[id_].effective_on) for id_ in asked])
    return dict(zip(asked, told, strict=True))


def _late_invoices(approvals: Sequence[Approval]) -> dict[uuid.UUID, list[str]]:
    """What the books say of them by now: they were asked for a while ago."""
    waiting = [a for a in approvals if a.state == "requested" and a.action in APPROVALS_OF_INVOICES]
    events = {a.id: a.case.event_id for a in waiting if a.case is not None and a.case.event_id}
    facts = booking.facts_of_events(events.values()) if events else {}
    told = {one.fact.event_id: [finding.text for finding in one.findings] for one in journal.preview([*facts.values()])}
    return {id_: told.get(event_id, []) for id_, event_id in events.items()}


def _granted(finding: dict[str, Any]) -> Granted:
    measure = finding.get("measure")
    if not measure:
        return Granted(finding["text"])
    value, limit = (_counted(measure[name], measure["unit"]) for name in ("value", "limit"))
    return Granted(
        text=finding["text"],
        of=measure["of"],
        value=value,
        limit=limit,
        over=value - limit,  # type: ignore[operator]
        # Which of the limits it is over, the limit says: the same figure is not told twice.
        amounts=[
            (what, amount)
            for what, minor, currency in measure["amounts"]
            if (amount := Money(minor, currency)) != limit or "limit" not in what.lower()
        ],
        rates=[(a, b, Decimal(rate), dt.date.fromisoformat(on)) for a, b, rate, on in measure["rates"]],
        note=measure["note"],
    )


def _counted(text: str, unit: str) -> Money | Decimal:
    return Decimal(text) if unit == "%" else Money.of(text, unit)
