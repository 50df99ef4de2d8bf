"""Trace: any identifier of any system, and the whole journey it belongs to, document by document."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Set
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from exceptions.models import Approval, Case
from q2c import clock, trace
from q2c.models import Event, Step
from q2c.reading import given_up, roads, unrecorded
from q2c.reading import hits as search
from q2c.reading import marks as invoice_marks
from q2c.reading.coming import doing_of, done_of
from q2c.reading.days import days_of
from q2c.reading.held import Front
from q2c.reading.hits import Hits
from q2c.reading.keys_there import keys_there
from q2c.reasons import APPROVALS
from q2c.stages import totals
from q2c.stages.not_owed import LEFT_OUT
from q2c.stages.taken_back_there import TAKEN_BACK
from q2c.trace import Trace
from q2c.ui import links, story, words
from q2c.ui.parts import Entry
from q2c.ui.rights import right

_STEP_SAYS = {
    "done": "Done",
    "failed": "Failed",
    "unknown": "Outcome unknown, being verified",
    "abandoned": "Given up",
    "accepted": "The platform works on it",
    "running": "Under way",
    "waiting": "Waits",
}


# What became of an invoice that was received but not recorded: (words, tone, icon).
_UNRECORDED = {
    "given_up": ("Not in the books: given up", "warn", "archive"),
    "changed": ("Changed in billing since it was booked", "warn", "triangle-alert"),
    "stopped": ("Not recorded: stopped", "bad", "octagon-alert"),
    "under_way": ("Not recorded yet", "busy", "loader"),
    "gone": ("Not recorded: taken back or overtaken", "quiet", "circle-slash"),
}

# Of what happened in one instant: what came in is first, and a journal is booked before it is posted.
_RANK = {"inbox": 0, "book-open": 1}


@dataclass(slots=True)
class Chapter:
    """One business document of the journey: an order, or an invoice with its journals."""

    noun: str
    title: str
    state: str = ""
    href: str = ""
    amount: tuple[int, str] | None = None
    portions: list[totals.Portion] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    # What is said beside its state: of an invoice its marks, of one that is not recorded what became of it.
    marks: invoice_marks.Marks | None = None
    badge: tuple[str, str, str] | None = None
    # The reader asked for this document, or for an entry of it.
    sought: bool = False


@dataclass(frozen=True, slots=True)
class Beside:
    """Of the journey's invoices: what is said beside the state of each, and those that came and are not recorded."""

    marks: dict[uuid.UUID, invoice_marks.Marks]
    unrecorded: list[unrecorded.Unrecorded]


def _beside(user: Any, found: Trace) -> Beside:
    left = given_up.of_accounts(user, found.invoices, found.correlation_ids) if found.correlation_ids else []
    missing = unrecorded.of(found.steps, found.invoices, found.cases, left)
    return Beside(invoice_marks.of(user, found.invoices, left), missing)


@right("q2c.view_event")
def show(request: HttpRequest) -> HttpResponse:
    query = request.GET.get("q", "").strip()
    found = trace.find(request.user, query)
    hits = Hits() if found and not found.candidates else search.hits(request.user, query, found.accounts)
    if hits.replay is not None or hits.problem is not None:
        return HttpResponseRedirect(
            links.to("replay", hits.replay.id) if hits.replay else links.to("problem", hits.problem.id)  # type: ignore[union-attr]
        )
    sought, beside = _sought(found), _beside(request.user, found)
    chapters = _chapters(found, sought, beside)
    context = {
        "query": query[:200],
        "found": found,
        "chapters": chapters,
        "documents": _documents(found, sought, beside),
        "references": found.references,
        "hits": hits,
        "customers": [_customer(customer.key, customer.name) for customer in hits.customers],
        "in_queue": links.to("queue", tab="open", q=f"amount:{hits.amount}") if hits.amount else "",
        "candidates": [{"order": order, "href": links.to("trace", q=order.number)} for order in found.candidates],
        "accounts": found.accounts,
        "journals": [{"entry": entry, "href": links.to("journal", entry.id)} for entry in hits.account.journals],
        "of_account": [{"case": case, "href": links.to("case", case.id)} for case in hits.account.cases],
        "given_up": story.given_up(hits.account.given_up),
        "begins": min((e.at for c in chapters for e in c.entries), default=None),
        "ends": max((e.at for c in chapters for e in c.entries if e.at <= clock.now()), default=None),
        "failed": [{"case": case, "href": links.to("case", case.id)} for case in found.cases],
    }
    return render(request, "trace/page.html", context)


def _customer(key: str, name: str) -> dict[str, str]:
    return {
        "key": key, "name": name, "orders": links.to("orders", q=key), "invoices": links.to("invoices", q=key),
        "journals": links.to("journals", q=key),
        "cases": links.to("queue", q=f'customer:"{name}"'),
    }  # fmt: skip


def _documents(found: Trace, sought: Set[Any], beside: Beside) -> list[dict[str, Any]]:
    """Every record of the journey, with its number on the platform that holds it: what was searched for, then the rest
    in the order of the flow."""
    there = {(row.kind, row.our_key): row for row in found.references}
    rows: list[dict[str, Any]] = [
        _document("order", o, o.number, (o.total_minor, o.currency), f"{o.source} {o.source_id}")
        | {"portions": totals.of(o)}
        for o in found.orders
    ]
    rows += [_document("subscription", s, s.number, None, _at(s.connection, s.reference)) for s in found.subscriptions]
    rows += [
        _document("invoice", i, i.number, (i.total_minor, i.currency), _at(i.source, i.billing_reference))
        | {"marks": beside.marks[i.id]}
        for i in found.invoices
    ]
    rows += [_missing(one) for one in beside.unrecorded]
    for entry in found.journals:
        row = there.get(("journal", str(entry.id)))
        number = _at(row.connection, row.document or row.reference) if row else ""
        if also := there.get(("journal_number", str(entry.id))):
            number += f", {also.reference}"
        named = f"{entry}, reversal" if entry.reverses_id else str(entry)
        rows.append(_document("journal", entry, named, (entry.worth_minor, entry.currency), number))
    left = roads.left_at([*found.orders, *found.subscriptions])
    for shown in rows:
        shown |= {"sought": shown["id"] in sought, "left_at": left.get(shown["id"], "")}
    return sorted(rows, key=lambda row: not row["sought"])


def _missing(one: unrecorded.Unrecorded) -> dict[str, Any]:
    step, case = one.step, one.case
    return {
        "id": step.id, "noun": "invoice", "number": step.business_key, "amount": one.amount,
        "badge": _UNRECORDED[one.state], "case": case,
        "there": _at(step.event.source, step.event.source_id.partition(":")[0]),
        "href": links.to("case", case.id) if case else "",
    }  # fmt: skip


def _sought(found: Trace) -> set[Any]:
    """The ids of the records that the identifier itself names; the rest of the journey came along with them.

    A record that another document is named by (an order by its subscription) is only sought where nothing else is.
    """
    asked = set(trace.spellings(found.query))
    of_journal: dict[str, list[str]] = {}
    for row in found.references:
        of_journal.setdefault(row.our_key, []).extend((row.reference, row.document))
    exact: list[tuple[Any, tuple[Any, ...]]] = [
        *((o.id, (o.number, o.source_id, o.source_id.partition(":")[0])) for o in found.orders),
        *((s.id, (s.number, s.reference)) for s in found.subscriptions),
        *((i.id, (i.number, i.billing_reference)) for i in found.invoices),
        *((j.id, (j.number, j.document_number, j.key, *of_journal.get(str(j.id), ()))) for j in found.journals),
        *((c.id, (c.shown,)) for c in found.cases),
        *((e.id, (e.source_id,)) for e in found.events),
    ]
    sought = {row for row, names in exact if asked & {str(name) for name in (row, *names) if name}}
    steps = {step.id for step in found.steps if asked & {str(step.id), step.key, step.business_key, *step.documents}}
    return sought or steps


def _at(platform: str, number: str) -> str:
    return f"{platform} {number}" if number else ""


def _document(noun: str, record: Any, number: str, amount: tuple[int, str] | None, there: str) -> dict[str, Any]:
    href = links.to("order", record.order_id) if noun == "subscription" else links.to(noun, record.id)
    return {
        "id": record.id, "noun": noun, "number": number, "state": record.state, "amount": amount, "there": there,
        "href": href,
    }  # fmt: skip


# The legal entity of an invoice, and its number; of an order, whose number is one everywhere, the number alone.
_Key = tuple[str, str]


def _key(record: Step | Case) -> _Key:
    return record.entity, record.business_key


def _chapters(found: Trace, sought: Set[Any], beside: Beside) -> list[Chapter]:
    chapters: dict[_Key, Chapter] = {
        ("", order.number): Chapter(
            "order", f"Order {order.number}", order.state, links.to("order", order.id),
            (order.total_minor, order.currency), totals.of(order), sought=order.id in sought,
        )
        for order in found.orders
    }  # fmt: skip
    for invoice in found.invoices:
        chapters[invoice.entity, invoice.number] = Chapter(
            "invoice", f"Invoice {invoice.number}", invoice.state, links.to("invoice", invoice.id),
            (invoice.total_minor, invoice.currency), marks=beside.marks[invoice.id], sought=invoice.id in sought,
        )  # fmt: skip
    for one in beside.unrecorded:
        step = one.step
        if _key(step) not in chapters:
            chapters[_key(step)] = Chapter(
                "", f"Invoice {step.business_key}, not recorded", amount=one.amount, badge=_UNRECORDED[one.state],
                sought=step.id in sought,
            )  # fmt: skip
    about = _about(found)
    rest = Chapter("", "Besides")
    for key, entry in _entries(found, about, sought):
        (chapters.get(key) or chapters.get(("", key[1])) or rest).entries.append(entry)
    shown = [chapter for chapter in (*chapters.values(), rest) if chapter.entries or chapter.noun]
    for chapter in shown:
        chapter.entries.sort(key=lambda entry: (entry.at, _RANK.get(entry.icon, 2)))
    return shown


def _about(found: Trace) -> dict[uuid.UUID, _Key]:
    """Event id → what it is about: as its steps are, else the event that caused it."""
    of_step: dict[uuid.UUID, _Key] = {}
    for step in found.steps:
        of_step.setdefault(step.event_id, _key(step))
    cause = {event.id: event.causation_id for event in found.events}
    about: dict[uuid.UUID, _Key] = {}
    for event in found.events:
        at: uuid.UUID | None = event.id
        seen: set[uuid.UUID] = set()
        while at is not None and at not in of_step and at not in seen:
            seen.add(at)
            at = cause.get(at)
        about[event.id] = of_step.get(at, ("", "")) if at else ("", "")
    return about


def _entries(found: Trace, about: dict[uuid.UUID, _Key], sought: Set[Any]) -> Iterable[tuple[_Key, Entry]]:
    for event in found.events:
        if event.source != "q2c":
            yield about[event.id], replace(_came(event), sought=event.id in sought)
    keys, days = keys_there(found.steps), days_of(found.steps)
    asked = {case.step_id for case in found.cases if case.state == "awaiting_approval" and case.reason in APPROVALS}
    for step in found.steps:
        told = _step(step, found.attempts.get(step.id, 0), keys.get(step.id, ""), found.fronts.get(step.id))
        day = days.get(step.id) if step.next_at > clock.now() else None
        told = replace(told, day=day, sought=step.id in sought)
        yield _key(step), _asking(told, step) if step.id in asked else told
    named = {step.id: _key(step) for step in found.steps}
    for case in found.cases:
        key = (named.get(case.step_id) if case.step_id else None) or _key(case)
        look = words.look(case.state, "case")
        yield (
            key,
            Entry(
                case.opened_at, f"Case {case.shown}: {words.plain(case.reason).lower()}", actor=look.label,
                text=case.text, tone="bad", icon="octagon-alert", href=links.to("case", case.id), link="Open the case",
                sought=case.id in sought,
            ),
        )  # fmt: skip
    for approval in found.approvals:
        asked_of = approval.case
        key = _key(asked_of) if asked_of else ("", "")
        if asked_of and asked_of.step_id:
            key = named.get(asked_of.step_id) or key
        for told in _asked(approval):
            yield key, told
    for entry in found.journals:
        number = entry.business_document.partition(":")[2]
        yield (
            (entry.entity.code, number),
            Entry(
                entry.booked_at, f"Journal {entry} booked", actor=words.look(entry.state, "journal").label,
                text=entry.memo, tone="quiet", icon="book-open", href=links.to("journal", entry.id), link="Open it",
                sought=entry.id in sought,
            ),
        )  # fmt: skip


def _asking(entry: Entry, step: Step) -> Entry:
    """What waits for a second person's word has not failed."""
    return replace(entry, what=f"Waits for a second person: {doing_of(step)}", tone="warn", icon="user-check")


def _asked(approval: Approval) -> Iterable[Entry]:
    """That somebody, or the flow, asked for a second person's word; and what that was."""
    what = words.plain(approval.action).lower()
    href = links.to("case", approval.case_id) if approval.case_id else ""
    yield Entry(
        approval.requested_at, f"Approval asked for: {what}", actor=_name(approval.requested_by) or "the flow",
        text=approval.reason, tone="warn", icon="user-check", href=href, link="Open the case",
    )  # fmt: skip
    if approval.decided_at is not None:
        said = {"approved": ("Approved", "good", "circle-check"), "refused": ("Refused", "bad", "circle-x")}
        label, tone, icon = said.get(approval.state, (words.plain(approval.state), "quiet", "undo-2"))
        yield Entry(
            approval.decided_at, f"{label}: {what}", actor=_name(approval.decided_by), text=approval.decision,
            tone=tone, icon=icon,
        )  # fmt: skip


def _name(person: Any) -> str:
    return person.get_full_name() or person.get_username() if person is not None else ""


def _came(event: Event) -> Entry:
    return Entry(
        event.received_at, words.plain(_spaced(event.type)), actor=event.source, text=f"As {event.source_id}",
        tone="busy", icon="inbox",
    )  # fmt: skip


def _spaced(name: str) -> str:
    """OrderReceived → order received."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _step(step: Step, calls: int, key: str, front: Front | None) -> Entry:
    look = words.look(step.state, "step")
    said = [str(front)] if front else [step.text] if step.text and step.state != "done" else []
    left_out = step.state == "done" and step.reference == LEFT_OUT
    if left_out:
        said.append(step.proof.get(TAKEN_BACK, ""))
    elif step.document or step.reference:
        said.append(f"There it is {step.document or step.reference}")
    if key and step.sent_at is not None:
        said.append(f"Under the key {key}")
    if calls:
        said.append(f"{calls} call{'s' if calls != 1 else ''}")
    where = f" in {step.connection}" if step.connection else ""
    ahead = step.state == "waiting" and not step.attempts
    later = ahead and step.next_at > clock.now()
    says = "Still to come" if later else "Left out" if left_out else _STEP_SAYS.get(step.state, look.label)
    return Entry(
        step.next_at if ahead else step.finished_at or step.sent_at or step.created_at,
        f"{says}: {done_of(step) if (step.state == 'done' and not left_out) or later else doing_of(step)}{where}",
        actor=step.stage,
        text=". ".join(filter(None, said)),
        tone="quiet" if left_out else look.tone,
        icon="circle-slash" if left_out else look.icon,
        href=links.to("case", front.case.id) if front and front.case else "",
        link="Open its case" if front and front.case else "",
    )
