"""What the books, or billing, have of an invoice has turned: open cases of what was changed in it are told anew.

They end where the books have it again as billing has.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping

from exceptions import cases
from exceptions.cases import Restated
from ledger import journal
from ledger.models import JournalEntry
from q2c import bulk
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Invoice, Step
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import in_billing, invoice_again, versions
from q2c.stages.verb import described
from q2c.stages.versions import invoice_key

# The events of the entries that are turned, from whichever turn.
_ROOTS = """
WITH RECURSIVE up AS (
  SELECT id, event_id, reverses_id FROM ledger_journalentry WHERE id = ANY(%s::uuid[])
  UNION SELECT e.id, e.event_id, e.reverses_id FROM up u JOIN ledger_journalentry e ON e.id = u.reverses_id
)
SELECT event_id FROM up WHERE reverses_id IS NULL
"""
# Pages of records tell a step by its own words.
_SAID = """
UPDATE q2c_step s SET text = u.text FROM unnest(%s::uuid[], %s::text[]) AS u(id, text) WHERE s.id = u.id
"""


def by_turns(entries: Iterable[JournalEntry], actor: str) -> None:
    """`entries` were posted just now. A case that has ended keeps what was said."""
    turns = [entry.id for entry in entries if entry.reverses_id]
    roots = [event_id for (event_id,) in bulk.execute(_ROOTS, [turns])] if turns else []
    invoices = Invoice.objects.filter(event__in=roots).exclude(state="voided").select_related("order")
    there = {one.id: one for one in invoices} if roots else {}
    by_key = {invoice_key(one.source, one.billing_reference): one for one in there.values()}
    by_key |= {key: there[id_] for id_, key in in_billing.documents_of(list(there.values())).items()}
    documents = _changed(by_key)
    same = [step.id for step, document in documents.items() if _agrees(step, document, by_key[step.order_key])]
    if same:
        versions.end(same, actor, "The reversal of its journal was reversed: the books have it as billing has", {})
    gone = journal.taken_back(roots)
    why = {
        one.id: "Its journal was reversed" if one.event_id in gone else "The reversal of its journal was reversed"
        for one in there.values()
    }
    _tell(
        {step: (by_key[step.order_key], document) for step, document in documents.items() if step.id not in same},
        why,
        actor,
    )


def by_billing(told_of: Mapping[uuid.UUID, str], actor: str) -> None:
    """These invoices, which another system told of first, were told of just now by the billing system named: what the
    other says anew in an open case is told beside that. By their ids."""
    invoices = Invoice.objects.filter(id__in=list(told_of)).exclude(state="voided").select_related("order")
    there = {invoice_key(one.source, one.billing_reference): one for one in invoices} if told_of else {}
    why = {one.id: f"{told_of[one.id]} told of it" for one in there.values()}
    _tell({step: (there[step.order_key], document) for step, document in _changed(there).items()}, why, actor)


def _changed(order_keys: Collection[str]) -> dict[Step, InvoiceDocument]:
    """What is open about changes of booked documents with these order keys."""
    came = Step.objects.filter(stage="record_invoice", order_key__in=list(order_keys), state="failed")
    steps = came.filter(reason=Reason.INVOICE_CHANGED).select_related("event") if order_keys else ()
    return {step: stored.read(step.event.payload, InvoiceDocument) for step in steps}


def _tell(found: Mapping[Step, tuple[Invoice, InvoiceDocument]], why: Mapping[uuid.UUID, str], actor: str) -> None:
    told = {step.id: _told(step, document, one, why[one.id]) for step, (one, document) in found.items()}
    said = {step.id: step.text for step in found}
    told = {id_: now for id_, now in told.items() if now.text != said[id_]}
    if told:
        cases.restate(told, actor)
        bulk.execute(_SAID, [list(told), [now.text for now in told.values()]])


def _agrees(step: Step, document: InvoiceDocument, there: Invoice) -> bool:
    stands = not journal.taken_back([there.event_id])
    return stands and invoice_again.is_as_recorded(step.event.source, document, there)


def _told(step: Step, document: InvoiceDocument, invoice: Invoice, why: str) -> Restated:
    """Where billing has it, too, what another system says anew is no difference of its own, and worth what it says."""
    finding = invoice_again.changed(step.event.source, document, invoice)
    worth: Money | None = Money(document.total_minor, document.currency)
    month = step.entity, step.period
    if finding.differs is not None:
        worth, month = finding.differs.worth, finding.differs.month
    return Restated(
        why=why,
        text=finding.text,
        amount_minor=worth.minor if worth is not None else None,
        currency=worth.currency if worth is not None else document.currency,
        entity=month[0],
        period=month[1],
        finding=described(finding),
    )
