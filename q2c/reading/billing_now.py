"""What billing says by now of an invoice that is booked, where that is something else; and the entry to reverse."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db.models import Q

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from ledger import journal
from ledger.models import JournalEntry
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.events import JournalReversalRequested
from q2c.models import Event, Invoice, Step
from q2c.models.step import OPEN
from q2c.money import Money
from q2c.reading.differences import CutOff
from q2c.reasons import Reason
from q2c.stages import cancelled_there, in_billing, sides, withdrawn
from q2c.stages.fiscal import periods_on
from q2c.stages.taken_back_there import CANCELLED


@dataclass(frozen=True, slots=True)
class BillingNow:
    """`now` and `due_on` are what billing asks for by now, under `number`; None where it has taken the invoice back."""

    where: str
    since: dt.datetime
    booked: Money
    number: str = ""
    now: Money | None = None
    due_on: dt.date | None = None
    # The newest version, and where the date that it has by now is in another period than the books.
    document: str | None = None
    cut_off: CutOff | None = None

    @property
    def taken_back(self) -> bool:
        return self.now is None

    @property
    def more(self) -> Money | None:
        """What billing asks for beyond what is booked; None where the currency is another."""
        if self.now is None:
            return -self.booked
        return self.now - self.booked if self.now.currency == self.booked.currency else None


@dataclass(frozen=True, slots=True)
class Booked:
    """The journal that books an invoice. It may be reversed if it is posted and its reversal is not asked for yet."""

    entry: JournalEntry
    may_be_reversed: bool


def of_invoice(invoice: Invoice) -> BillingNow | None:
    """None where billing has it as it is booked, and where the books hold none of it. Few statements."""
    if invoice.state in ("voided", "credited") or journal.taken_back([invoice.event_id]):
        return None
    booked = Money(invoice.total_minor, invoice.currency)
    if invoice.taken_back_at is not None:
        return BillingNow(cancelled_there.taken_by([invoice])[invoice.id], invoice.taken_back_at, booked)
    newest = in_billing.newest([invoice]).get(invoice.id)
    if newest is None or newest.is_twice:
        return None
    event = Event.objects.get(steps=newest.step_id)
    document = stored.read(event.payload, InvoiceDocument)
    return BillingNow(
        where=event.source,
        since=event.occurred_at,
        booked=booked,
        number=document.invoice_number,
        now=Money(document.total_minor, document.currency),
        due_on=document.due_on,
        document=event.payload,
        cut_off=_cut_off(invoice, document),
    )


def _cut_off(invoice: Invoice, document: InvoiceDocument) -> CutOff | None:
    books = sides.books_of([invoice])[invoice.id]
    worth = Money(document.total_minor, document.currency)
    now = sides.Version(document.legal_entity, document.issued_on, worth)
    there = sides.month_of(invoice, books, now, periods_on({(now.entity, now.issued_on)}))
    if there == books.booked_in:
        return None
    booked, elsewhere = Money(invoice.total_minor, invoice.currency), now.entity if now.entity != invoice.entity else ""
    return CutOff(booked, *books.booked_in, books.booked_on, now.worth, elsewhere, there[1], now.issued_on)


def next_version(case: Case) -> Step | None:
    """What billing gave of the same document right after the version that a case is about."""
    told = Step.objects.filter(id=case.step_id).select_related("event").first() if case.step_id else None
    if told is None:
        return None
    event = told.event
    later = Q(event__occurred_at__gt=event.occurred_at) | Q(event__occurred_at=event.occurred_at, seq__gt=told.seq)
    came = Step.objects.filter(later, stage="record_invoice", order_key=told.order_key).select_related("event")
    return came.order_by("event__occurred_at", "seq").first()


def entry_of(case: Case) -> Booked | None:
    """Of a case of an invoice that billing changed or took back after it was booked: the journal that books it."""
    invoice = invoice_of(case)
    return booked_by(invoice.event_id) if invoice is not None else None


def invoice_of(case: Case) -> Invoice | None:
    """The booked invoice that such a case is about; None of any other case."""
    if case.code != CANCELLED and case.reason != Reason.INVOICE_CHANGED:
        return None
    there = Q(number=case.business_key, entity=case.entity)
    for finding in case.context.get("findings", []):
        if finding.get("pointer") == "/billing_reference" and finding.get("seen"):
            there |= Q(billing_reference=finding["seen"])
    # Which system told of it first is no matter where it stands in the books: an entity gives a number once.
    from_there = {} if case.code == CANCELLED else {"source": case.source}
    found = Invoice.objects.filter(there, **from_there).exclude(state="voided").first()
    if found is not None or case.step_id is None:
        return found
    told = Step.objects.filter(id=case.step_id).values_list("order_key", flat=True)
    return next(iter(in_billing.known(list(told)).values()), None)


def what_to_do(case: Case) -> str:
    """About an invoice that billing took back, as its journal stands now; empty of any other case, and of one that has
    ended."""
    there = invoice_of(case) if case.code == CANCELLED and case.state in UNRESOLVED else None
    if there is None or there.taken_back_at is None:
        return ""
    booked = booked_by(there.event_id)
    if booked is not None and booked.entry.state == "posted" and not booked.may_be_reversed:
        return f"The reversal of its journal {booked.entry} is under way: this ends once the mirror entry is posted."
    return f"{withdrawn.to_do(there)}. Was it taken back by mistake, have it posted again in billing."


def booked_by(event_id: uuid.UUID) -> Booked | None:
    entries = JournalEntry.objects.filter(event_id=event_id, reverses=None).exclude(state="superseded")
    entry = entries.select_related("entity", "period").order_by("-id").first()
    if entry is None:
        return None
    mirrored = JournalEntry.objects.filter(reverses=entry).exclude(state="superseded").exists()
    return Booked(entry, entry.state == "posted" and not mirrored and not _is_asked(entry))


def _is_asked(entry: JournalEntry) -> bool:
    """Whether somebody has asked already that it be reversed, and nobody has decided."""
    about = entry.business_document.partition(":")[2] or str(entry)
    of_it = Step.objects.filter(stage="reverse_journal", business_key=about, entity=entry.entity.code)
    asked = of_it.filter(state__in=OPEN).select_related("event")
    facts = (stored.read(step.event.payload, JournalReversalRequested) for step in asked)
    return any(fact.journal_id == str(entry.id) for fact in facts)
