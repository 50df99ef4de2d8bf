"""reverse_journal: undoes post_journal by a mirror entry, which is then posted like any other.

Order key: the business document, so a journal is there before its reversal. A request that fails gives its place up:
the mirror that another request made must not wait for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from ledger import journal
from ledger.models import JournalEntry
from q2c.connectors.outcomes import Posted
from q2c.contracts.events import JournalFact
from q2c.models import Step
from q2c.reasons import Reason
from q2c.stages import booking
from q2c.stages.record_invoice import finding_of
from q2c.stages.verb import Fact, Part, Verb, Work


class ReverseJournal(Verb):
    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        found = _found(fact.payload.journal_id for fact in facts)
        names = booking.customer_names(found.values())
        return [[_part(fact.payload.journal_id, found.get(fact.payload.journal_id), names)] for fact in facts]

    def prepare(self, works: Sequence[Work]) -> None:
        found = _found(work.fact.payload.journal_id for work in works)
        for work in works:
            asked = work.fact.payload.journal_id
            if asked not in found:
                work.reject(
                    Reason.RECORD_MISSING, f"Journal {asked} is not known", pointer="/journal_id", seen=asked,
                    remedy="Send the id that GET /api/v1/journals shows",
                )  # fmt: skip

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

    def failed(self, works: Sequence[Work]) -> None:
        Step.objects.filter(id__in=[work.step.id for work in works]).update(order_key="")


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
        order_key=f"posting:{entry.business_document}" if entry.business_document else "",
        business_key=entry.business_document.partition(":")[2] or str(entry),
        customer=names[entry.id],
        amount_minor=entry.total_minor,
        currency=entry.currency,
        entity=entry.entity.code,
        period=entry.period.name,
    )
