"""reverse_journal: undoes post_journal by a mirror entry, which is then posted like any other.

Nothing is reversed on one person's word: a second one signs, who is not the one that asked.

Order key: the business document, so a journal is there before its reversal. A request that fails gives its place up:
the mirror that another request made must not wait for it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from exceptions.sentences import listed
from ledger import journal
from ledger.models import JournalEntry
from q2c.connectors.outcomes import Blocker, Posted
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.events import JournalFact, JournalReversalRequested
from q2c.models import Invoice, InvoiceLine, Order, Step
from q2c.money import Money
from q2c.reasons import APPROVALS, Reason
from q2c.stages import asking, billed, booking, post_journal, signed
from q2c.stages.fiscal import periods_on
from q2c.stages.record_invoice import finding_of
from q2c.stages.verb import Fact, Finding, OpenPort, Part, Said, Verb, Work

# What stands in the way of an invoice that is to be restored: its key is the order's number and the invoice's.
PLACE = "place_of_invoice"


class ReverseJournal(Verb):
    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        found = _found(fact.payload.journal_id for fact in facts)
        names = booking.customer_names(found.values())
        wanted = [(fact.payload, found.get(fact.payload.journal_id)) for fact in facts]
        months = periods_on({(entry.entity.code, asked.effective_on) for asked, entry in wanted if entry is not None})
        return [[_part(asked, entry, names, months)] for asked, entry in wanted]

    def prepare(self, works: Sequence[Work]) -> None:
        """A reversal that could be made waits for a second person's word; one that could not is told at once."""
        found = _found(work.fact.payload.journal_id for work in works)
        people = asking.askers(work.fact for work in works)
        bookable: list[Work] = []
        for work in works:
            asked, entry = work.fact.payload, found.get(work.fact.payload.journal_id)
            if entry is None:
                work.reject(
                    Reason.RECORD_MISSING, f"Journal {asked.journal_id} is not known", pointer="/journal_id",
                    seen=asked.journal_id, remedy="Send the id that GET /api/v1/journals shows",
                )  # fmt: skip
                continue
            work.request = entry
            mirror = _mirror_of(entry)
            # One that was given up is no answer: it is looked for in the ledger, and may make room (look_again.py).
            if mirror is None or _is_given_up(mirror):
                bookable.append(work)
        asked_for = [(work.request.id, work.fact.payload.effective_on) for work in bookable]
        for work, findings in zip(bookable, journal.reversible(asked_for), strict=True):
            work.findings = [finding_of(one) for one in findings]
            if not work.findings:
                entry = work.request
                work.findings = _unsigned(work, entry, _invoice_of(entry), people[work.fact.id].name)

    def record(self, works: Sequence[Work]) -> None:
        found = _found(work.fact.payload.journal_id for work in works)
        people = asking.askers(work.fact for work in works)
        invoices = {entry.id: _invoice_of(entry) for entry in found.values()}
        billed.hold(invoice.order_id for invoice in invoices.values() if invoice)
        for work in works:
            entry, request = found[work.fact.payload.journal_id], work.fact.payload
            # Asked again, now that nobody else bills the order: what came since then was not signed.
            if _mirror_of(entry) is None:
                work.findings = _unsigned(work, entry, invoices[entry.id], people[work.fact.id].name)
            if work.findings:
                continue
            result = journal.reverse(entry.id, request.effective_on, work.fact.id, request.reason)
            mirror = _mirror_of(entry) if result.findings else None
            if mirror is not None and not _is_given_up(mirror):
                # An earlier request has had it reversed: nothing is left to do.
                work.outcome = Posted(reference=str(mirror.id), document=mirror.number or "", found=True)
                continue
            if result.findings:
                work.findings = [finding_of(finding) for finding in result.findings]
                continue
            work.emit(
                "JournalReady",
                JournalFact(
                    journal_id=str(result.entry_id), number=result.number, legal_entity=entry.entity.code,
                    currency=entry.currency, amount_minor=-entry.worth_minor, period=result.period,
                ),
            )  # fmt: skip

    def preview(self, work: Work) -> dict[str, Any]:
        """The mirror as it would be booked; what a preview writes is rolled back."""
        entry, asked = work.request, work.fact.payload
        if entry is None or _mirror_of(entry) is not None:
            return {}
        result = journal.reverse(entry.id, asked.effective_on, work.fact.id, asked.reason)
        if result.entry_id is None:
            return {}
        (view,) = journal.read([result.entry_id])
        work.notes["ahead"] = booking.ahead(view)
        return {"entry": view}

    def asks(self, work: Work) -> str:
        return work.notes["ahead"].connection if work.notes.get("ahead") else ""

    def check(self, open_port: OpenPort, works: Sequence[Work]) -> list[Said]:
        return booking.check_ahead(open_port, works, "The mirror entry would be made, but not posted")

    def failed(self, works: Sequence[Work]) -> None:
        Step.objects.filter(id__in=[work.step.id for work in works]).update(order_key="")


def in_the_way(asked: Sequence[tuple[JournalEntry, dt.date]]) -> list[list[str]]:
    """What keeps each entry from being reversed on its day now, in order, whoever signs it.

    A bounded number of statements, and a few more for each that would bring an invoice back into the books.
    """
    found = journal.reversible([(entry.id, day) for entry, day in asked])
    return [
        [finding.text for finding in findings] or [finding.text for finding in _billed_anew(entry)]
        for (entry, _), findings in zip(asked, found, strict=True)
    ]


def _billed_anew(entry: JournalEntry) -> list[Finding]:
    invoice = _invoice_of(entry) if entry.reverses_id else None
    return _afterwards(entry, invoice)[0] if invoice else []


def _unsigned(work: Work, entry: JournalEntry, invoice: Invoice | None, who: str) -> list[Finding]:
    """What is in the way; where nothing is, what a second person has not signed yet, with what is wrong afterwards."""
    in_the_way, amiss = _afterwards(entry, invoice) if invoice else ([], "")
    to_sign = _to_sign(entry, work.fact.payload, who or work.fact.source, amiss)
    left = signed.left({work.step.id: [*in_the_way, to_sign]})[work.step.id]
    return [finding for finding in left if finding is not to_sign] or left


def _to_sign(entry: JournalEntry, asked: JournalReversalRequested, who: str, amiss: str) -> Finding:
    worth = Money(entry.worth_minor, entry.currency)
    return Finding(
        reason=Reason.REVERSAL_APPROVAL_REQUIRED,
        text=f"{who} asks to reverse journal {entry.number}, {worth}, as of {asked.effective_on}: {asked.reason}"
        + (f". Beware: {amiss}" if amiss else ""),
        pointer="/journal_id",
        seen=entry.number,
        remedy="A second person approves or refuses it",
    )


def _invoice_of(entry: JournalEntry) -> Invoice | None:
    """The invoice that an entry books, takes back or restores."""
    root = entry
    while root.reverses is not None:
        root = root.reverses
    found = Invoice.objects.filter(event=root.event_id).exclude(state="voided")
    return found.select_related("event", "order").first()


def _afterwards(entry: JournalEntry, invoice: Invoice) -> tuple[list[Finding], str]:
    """What is in the way of the reversal, and what would be wrong with what is billed once it is made.

    A reversal that is reversed bills its invoice again, which must not be where it was billed anew since then. Any
    other takes it back, though it was credited since, or what it credited billed anew: that may be put right next, and
    is for people to judge.
    """
    order = Order.objects.prefetch_related("lines").get(id=invoice.order_id)
    document = stored.read(invoice.event.payload, InvoiceDocument)
    if journal.taken_back([invoice.event_id]):
        return _filled(entry, invoice, billed.again(document, order)), ""
    return [], billed.without(document, order)


def _filled(entry: JournalEntry, invoice: Invoice, found: list[Finding]) -> list[Finding]:
    """What is surely in the way of the invoice is told of the request to restore it, with what fills its place."""
    surely = [finding for finding in found if finding.reason not in APPROVALS]
    others = _fill_its_place(invoice) if surely else []
    if not others:
        return found
    fill = f"{listed(others)} {'fills' if len(others) == 1 else 'fill'} its place since. "
    told = Finding(
        reason=Reason.BILLED_SINCE_REVERSED,
        text=f"Journal {entry} cannot be reversed, which would restore invoice {invoice.number}: {fill}"
        + "; ".join(finding.text for finding in surely),
        pointer="/journal_id",
        seen=str(entry),
        remedy=_way_out(invoice.number, listed(others)),
        blocker=Blocker(
            connection="", object_type=PLACE, object_key=f"{invoice.order.number}:{invoice.number}", condition="filled"
        ),
    )
    return [told, *(finding for finding in found if finding not in surely)]


def _way_out(number: str, others: str) -> str:
    return (
        f"This asks to restore a journal. Is {number} to count, reverse the journal of {others} first, or have billing "
        f"void it: this is offered for replay then; else close it without a fix, and {number} stays reversed"
    )


def _fill_its_place(invoice: Invoice) -> list[str]:
    """Numbers of what billed the same of its order since it was reversed, and stands in the books."""
    mine = list(invoice.lines.filter(net_minor__gt=0))
    since = InvoiceLine.objects.filter(invoice__order=invoice.order_id, invoice__group=invoice.group, net_minor__gt=0)
    since = since.filter(invoice__recorded_at__gte=invoice.reversed_at).exclude(invoice__state="voided")
    rows = since.exclude(invoice=invoice).select_related("invoice").order_by("invoice__number")
    found = {line.invoice.event_id: line.invoice.number for line in rows if any(_bills(line, one) for one in mine)}
    gone = journal.taken_back(found)
    return [number for event_id, number in found.items() if event_id not in gone]


def _bills(line: InvoiceLine, other: InvoiceLine) -> bool:
    """The same product and, where both say their days, some of them."""
    if (line.product, line.kind) != (other.product, other.kind):
        return False
    (starts, ends), (since, until) = ((one.service_starts_on, one.service_ends_on) for one in (line, other))
    return not (starts and ends and since and until) or (starts < until and since < ends)


def _mirror_of(entry: JournalEntry) -> JournalEntry | None:
    return JournalEntry.objects.filter(reverses=entry).exclude(state="superseded").first()


def _is_given_up(mirror: JournalEntry) -> bool:
    key = mirror.business_document.partition(":")[2] or str(mirror)
    ended = Step.objects.filter(stage="post_journal", state="abandoned", business_key=key)
    return mirror.state in ("ready", "blocked") and mirror in post_journal.journals_of(ended).values()


def _found(ids: object) -> dict[str, JournalEntry]:
    wanted = {asked for asked in ids if _is_id(asked)}  # type: ignore[attr-defined]
    return {str(e.id): e for e in JournalEntry.objects.filter(id__in=wanted).select_related("entity", "period")}


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _part(
    asked: JournalReversalRequested,
    entry: JournalEntry | None,
    names: dict[uuid.UUID, str],
    months: Mapping[tuple[str, dt.date], str],
) -> Part:
    """In the period of its day: that is the one which it changes, whichever the journal is in."""
    if entry is None:
        return Part(business_key=asked.journal_id)
    return Part(
        order_key=f"posting:{entry.entity.code}:{entry.business_document}"[:160] if entry.business_document else "",
        business_key=entry.business_document.partition(":")[2] or str(entry),
        customer=names[entry.id],
        # What its mirror takes out of the books, or puts back.
        amount_minor=-entry.worth_minor,
        currency=entry.currency,
        entity=entry.entity.code,
        period=months[entry.entity.code, asked.effective_on],
    )
