"""reverse_journal: undoes post_journal by a mirror entry, which is then posted like any other.

Nothing is reversed on one person's word: a second one signs, who is not the one that asked.

Order key: the business document, so a journal is there before its reversal. A request that fails gives its place up:
the mirror that another request made must not wait for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from exceptions import approvals
from ledger import journal
from ledger.models import JournalEntry
from q2c.connectors.outcomes import Posted
from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.events import JournalFact, JournalReversalRequested
from q2c.models import Invoice, Order, Step
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import asking, billed, booking, signed
from q2c.stages.record_invoice import finding_of
from q2c.stages.verb import Fact, Finding, OpenPort, Part, Said, Verb, Work


class ReverseJournal(Verb):
    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        found = _found(fact.payload.journal_id for fact in facts)
        names = booking.customer_names(found.values())
        return [[_part(fact.payload.journal_id, found.get(fact.payload.journal_id), names)] for fact in facts]

    def prepare(self, works: Sequence[Work]) -> None:
        """A reversal that could be made waits for a second person's word; one that could not is told at once."""
        found = _found(work.fact.payload.journal_id for work in works)
        approved = _signed(works)
        people = asking.askers(work.fact for work in works)
        for work in works:
            asked, entry = work.fact.payload, found.get(work.fact.payload.journal_id)
            if entry is None:
                work.reject(
                    Reason.RECORD_MISSING, f"Journal {asked.journal_id} is not known", pointer="/journal_id",
                    seen=asked.journal_id, remedy="Send the id that GET /api/v1/journals shows",
                )  # fmt: skip
                continue
            work.request = entry
            if _mirror_of(entry) is not None:
                continue
            work.findings = [finding_of(one) for one in journal.reversible(entry.id, asked.effective_on)]
            if not work.findings:
                work.findings = signed.left({work.step.id: _in_the_way(entry)})[work.step.id]
            if not work.findings and work.step.id not in approved:
                work.findings = [_to_sign(entry, asked, people[work.fact.id].name or work.fact.source)]

    def record(self, works: Sequence[Work]) -> None:
        found = _found(work.fact.payload.journal_id for work in works)
        for work in works:
            entry, request = found[work.fact.payload.journal_id], work.fact.payload
            result = journal.reverse(entry.id, request.effective_on, work.fact.id, request.reason)
            mirror = _mirror_of(entry) if result.findings else None
            if mirror is not None:
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
                    currency=entry.currency, amount_minor=entry.total_minor, period=result.period,
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


def _signed(works: Sequence[Work]) -> set[uuid.UUID]:
    """The steps whose reversal a second person has signed."""
    granted = approvals.granted([work.step.id for work in works])
    wanted = str(Reason.REVERSAL_APPROVAL_REQUIRED)
    return {step_id for step_id, findings in granted.items() if any(one["reason"] == wanted for one in findings)}


def _to_sign(entry: JournalEntry, asked: JournalReversalRequested, who: str) -> Finding:
    worth = Money(entry.total_minor, entry.currency)
    return Finding(
        reason=Reason.REVERSAL_APPROVAL_REQUIRED,
        text=f"{who} asks to reverse journal {entry.number}, {worth}, as of {asked.effective_on}: {asked.reason}",
        pointer="/journal_id",
        seen=entry.number,
        remedy="A second person approves or refuses it",
    )


def _in_the_way(entry: JournalEntry) -> list[Finding]:
    """A reversal that is reversed bills its invoice again, which must not be where it was billed anew since then."""
    root = entry
    while root.reverses is not None:
        root = root.reverses
    invoice = Invoice.objects.filter(event=root.event_id).select_related("event").first()
    if root is entry or invoice is None:
        return []
    if not journal.taken_back([root.event_id]):
        return []
    order = Order.objects.prefetch_related("lines").get(id=invoice.order_id)
    return billed.again(msgspec.json.decode(invoice.event.payload, type=InvoiceDocument), order)


def _mirror_of(entry: JournalEntry) -> JournalEntry | None:
    return JournalEntry.objects.filter(reverses=entry).exclude(state="superseded").first()


def _found(ids: object) -> dict[str, JournalEntry]:
    wanted = {asked for asked in ids if _is_id(asked)}  # type: ignore[attr-defined]
    return {str(e.id): e for e in JournalEntry.objects.filter(id__in=wanted).select_related("entity", "period")}


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _part(asked: str, entry: JournalEntry | None, names: dict[uuid.UUID, str]) -> Part:
    if entry is None:
        return Part(business_key=asked)
    return Part(
        order_key=f"posting:{entry.entity.code}:{entry.business_document}"[:160] if entry.business_document else "",
        business_key=entry.business_document.partition(":")[2] or str(entry),
        customer=names[entry.id],
        amount_minor=entry.total_minor,
        currency=entry.currency,
        entity=entry.entity.code,
        period=entry.period.name,
    )
