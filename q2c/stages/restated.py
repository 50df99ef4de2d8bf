"""What the books have of an invoice has turned: open cases of what billing changed in it are told anew.

They end where the books have it again as billing has.
"""

from __future__ import annotations

from collections.abc import Iterable

from exceptions import cases
from exceptions.cases import Restated
from ledger import journal
from ledger.models import JournalEntry
from q2c import bulk
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Invoice, Step
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
    came = Step.objects.filter(stage="record_invoice", order_key__in=list(by_key), state="failed")
    steps = came.filter(reason=Reason.INVOICE_CHANGED).select_related("event") if by_key else ()
    documents = {step: stored.read(step.event.payload, InvoiceDocument) for step in steps}
    same = [step.id for step, document in documents.items() if _agrees(step, document, by_key[step.order_key])]
    if same:
        versions.end(same, actor, "The reversal of its journal was reversed: the books have it as billing has", {})
    told = {s.id: _told(s, document, by_key[s.order_key]) for s, document in documents.items() if s.id not in same}
    if told:
        cases.restate(told, actor)
        bulk.execute(_SAID, [list(told), [now.text for now in told.values()]])


def _agrees(step: Step, document: InvoiceDocument, there: Invoice) -> bool:
    stands = not journal.taken_back([there.event_id])
    return stands and invoice_again.is_as_recorded(step.event.source, document, there)


def _told(step: Step, document: InvoiceDocument, invoice: Invoice) -> Restated:
    finding = invoice_again.changed(step.event.source, document, invoice)
    differs = finding.differs
    assert differs is not None
    worth, (entity, period) = differs.worth, differs.month
    return Restated(
        why="Its journal was reversed" if differs.is_reversed else "The reversal of its journal was reversed",
        text=finding.text,
        amount_minor=worth.minor if worth is not None else None,
        currency=worth.currency if worth is not None else document.currency,
        entity=entity,
        period=period,
        finding=described(finding),
    )
