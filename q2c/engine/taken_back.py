"""What billing cancelled or reversed after it was booked here: told once each time, until billing posts it again."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping

import msgspec

from exceptions.failures import RawItem
from exceptions.models import Case
from exceptions.models.case import ENDED
from ledger import journal
from ledger.models import LegalEntity
from q2c import clock
from q2c.connectors.outcomes import About, Rejected
from q2c.connectors.ports import CANCELLED_THERE
from q2c.engine import intake
from q2c.models import Invoice
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import cancelled_there, in_billing, restated
from q2c.stages.taken_back_there import CANCELLED, booked_as, known_as, period_of
from q2c.stages.verb import Differs, Finding, described
from q2c.stages.versions import invoice_key

# The first is how older cases name it.
REASONS = (Reason.INVOICE_MISMATCH, Reason.INVOICE_TAKEN_BACK)
_NUMBER_MAX = Invoice._meta.get_field("number").max_length or 0


def tell(source: str, reference: str, refused: Rejected) -> RawItem | None:
    """The case of an invoice of `source` that is posted there no more; None where the books hold nothing of it, and
    where people closed the case of this very time. What to do about it is told as it is read (withdrawn.to_do)."""
    invoice = booked_as(source, reference) or cancelled_there.booked_elsewhere(source, reference)
    if invoice is None:
        return None
    since = invoice.taken_back_at or clock.now()
    Invoice.objects.filter(id=invoice.id, taken_back_at=None).update(taken_back_at=since)
    if invoice.source != source:
        restated.by_billing({invoice.id: source}, "q2c")
    if journal.taken_back([invoice.event_id]):
        return None
    # A case for each time: one that ended before billing posted it again tells nothing of this one.
    named = {"source": source[:60], "entity": invoice.entity, "business_key": invoice.number}
    before = Case.objects.filter(**named, code=CANCELLED, state__in=ENDED).order_by("-number")
    closed = before.filter(state="closed_without_fix").first()
    if closed is not None and closed.opened_at >= since:
        return None
    earlier = f". It was taken back before, which was closed without a fix ({closed.shown})" if closed else ""
    booked, period = Money(invoice.total_minor, invoice.currency), period_of(invoice)
    nothing = Money(0, invoice.currency)
    gone = Differs(booked, nothing, entity=invoice.entity, booked_in=period, now_in=period, is_gone=True)
    found = Finding(reason=Reason.INVOICE_TAKEN_BACK, text=refused.text, pointer=refused.field, differs=gone)
    # Without the time of the change: told once, however often billing touches it again.
    raw = {"reference": reference, "invoice_number": invoice.number, "text": refused.text, "times": before.count()}
    return RawItem(
        body=msgspec.json.encode(raw), source=source, content_type="application/json", reason=Reason.INVOICE_TAKEN_BACK,
        text=f"{refused.text}, and it is booked here: billing cancelled it{earlier}",
        field=refused.field, code=CANCELLED, business_key=invoice.number, customer=invoice.customer_name,
        amount_minor=-invoice.total_minor, currency=invoice.currency, entity=invoice.entity, period=period,
        context={"findings": [described(found)]}, correlation_id=invoice.correlation_id, of_entity=True,
    )  # fmt: skip


def note(source: str, refused: Mapping[str, Rejected], actor: str) -> None:
    """What `source` took back is known by legal entity and number from now on, whoever tells of it. By reference, and
    said before tell(); a draft is nothing that was taken back, unless it came here as posted."""
    keys_ = {reference: invoice_key(source, reference) for reference in refused}
    known = cancelled_there.known(keys_)
    # What another system told of first is in the books by the name that it had then.
    booked = {key: (one.entity, one.number) for key, one in in_billing.known(set(keys_.values())).items()}
    said = {
        reference: booked.get(keys_[reference])
        or known.get(reference)
        or _named(found.about if found.code == CANCELLED_THERE else None)
        for reference, found in refused.items()
    }
    codes = LegalEntity.objects.filter(code__in={entity for entity, _ in said.values()} - {""})
    entities = set(codes.values_list("code", flat=True))
    gone = [
        cancelled_there.Gone(reference, entity, number, f"{refused[reference].text}: {source} took it back")
        for reference, (entity, number) in said.items()
        if entity in entities and number
    ]
    cancelled_there.note(source, gone, actor)


def _named(about: About | None) -> tuple[str, str]:
    """As billing writes it, which may be anything; what no invoice here can be called is nobody's name."""
    if about is None or "\0" in about.entity + about.number or len(about.number) > _NUMBER_MAX:
        return "", ""
    return about.entity, about.number


def hold(source: str, references: Collection[str]) -> None:
    """Whoever finds at this moment that the ledger holds none of what was taken back is waited for, or waits, until the
    transaction ends (stages/not_owed.py): what it voids is seen, what is posted again is not voided."""
    gone = known_as(source, references).filter(taken_back_at__isnull=False)
    list(gone.order_by("id").select_for_update().values_list("id"))


def posted_again(
    source: str, events: Mapping[tuple[str, str], uuid.UUID | None], references: Collection[str], actor: str
) -> None:
    """What billing took back and posts again is taken back no more: by (entity, number), and by reference."""
    cancelled_there.posted_again(source, references, events.keys())
    back = known_as(source, references).filter(taken_back_at__isnull=False)
    # Also what it posts under another name now.
    booked: dict[tuple[str, str], uuid.UUID | None] = dict.fromkeys(back.values_list("entity", "number"))
    back.update(taken_back_at=None)
    intake.resolve_raw(source, booked | dict(events), actor, reasons=REASONS)
