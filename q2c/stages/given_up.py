"""Invoices that two people gave up: billing touches or changes one, or somebody wants it after all.

Given up is a document whose case was closed without fix: before it was recorded, or, recorded and voided by that, while
its journal was never sent. It is booked once a second person signs that, whoever tells of it again and however often.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from exceptions.models import Case, CaseEvent
from exceptions.models.case import called
from q2c import bulk
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Event, Invoice
from q2c.reasons import Reason
from q2c.stages import invoice_again
from q2c.stages.verb import Finding, Work

# On the timeline of a case that was closed before: a person wants its invoice booked, as the event that `data` names.
AFTER_ALL = "after_all"

# The latest decision on each document, unless it was recorded after that. A step whose document was booked all the
# while (`invoice_changed`) decided about the change, not about the document. Another source that tells of it knows it
# by the number alone, which a legal entity gives once.
_DECIDED = """
WITH mine AS (
  SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS m(source, reference, order_key, entity, number)
), gone AS (
  SELECT m.source, m.reference, s.id AS step_id, s.event_id, s.finished_at
  FROM mine m JOIN q2c_step s ON s.order_key = m.order_key AND s.stage = 'record_invoice'
  WHERE s.state = 'abandoned' AND s.reason NOT IN ('superseded', 'invoice_changed')
  UNION ALL
  SELECT m.source, m.reference, s.id, s.event_id, s.finished_at
  FROM mine m JOIN q2c_step s ON s.business_key = m.number AND s.entity = m.entity AND s.stage = 'record_invoice'
  JOIN q2c_event e ON e.id = s.event_id AND e.source <> m.source
  WHERE s.state = 'abandoned' AND s.reason NOT IN ('superseded', 'invoice_changed')
  UNION ALL
  SELECT m.source, m.reference, p.id, i.event_id, p.finished_at
  FROM mine m
  CROSS JOIN LATERAL (
    SELECT event_id, number, state FROM q2c_invoice WHERE source = m.source AND billing_reference = m.reference
    UNION ALL
    SELECT event_id, number, state FROM q2c_invoice WHERE entity = m.entity AND number = m.number AND source <> m.source
  ) i
  JOIN q2c_step p ON p.business_key = i.number AND p.stage = 'post_journal'
  JOIN q2c_event e ON e.id = p.event_id AND e.causation_id = i.event_id
  WHERE i.state = 'voided' AND p.state = 'abandoned' AND p.reason <> 'superseded'
)
SELECT DISTINCT ON (g.source, g.reference)
  g.source, g.reference, g.step_id, g.event_id, g.finished_at, c.id, c.number, c.root_cause
FROM gone g LEFT JOIN exceptions_case c ON c.step_id = g.step_id
WHERE NOT EXISTS (SELECT FROM q2c_invoice r WHERE r.source = g.source AND r.billing_reference = g.reference
                  AND r.recorded_at > g.finished_at)
ORDER BY g.source, g.reference, g.finished_at DESC, g.step_id DESC
"""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The decision: the step that it ended, the event whose document was given up, when, and the case.

    What could not be read has neither step nor event.
    """

    step_id: uuid.UUID | None
    event_id: uuid.UUID | None
    at: dt.datetime
    case_id: uuid.UUID | None
    case_number: int | None
    root_cause: str

    def __str__(self) -> str:
        told = [f"C-{self.case_number}"] if self.case_number else []
        told += [self.root_cause.replace("_", " ")] if self.root_cause else []
        return f"given up on {self.at:%Y-%m-%d}" + (f" ({', '.join(told)})" if told else "")


# (source, billing reference, order key, legal entity, number)
Document = tuple[str, str, str, str, str]


def document_of(source: str, invoice: InvoiceDocument, order_key: str) -> Document:
    return source, invoice.billing_reference, order_key, invoice.legal_entity, invoice.invoice_number


def of(documents: Collection[Document]) -> dict[tuple[str, str], GivenUp]:
    """By (source, billing reference), of those that are given up. Two statements, three where one came unreadable."""
    if not documents:
        return {}
    rows = bulk.execute(_DECIDED, [list(column) for column in zip(*sorted(documents), strict=True)])
    found = {(source, reference): GivenUp(*told) for source, reference, *told in rows}
    return _unread({one[:2] for one in documents} - found.keys()) | found


def _unread(named: Collection[tuple[str, str]]) -> dict[tuple[str, str], GivenUp]:
    """Of those that came unreadable, and were never recorded: a version of what is recorded is another matter."""
    references = sorted({reference for _, reference in named})
    closed = Case.objects.filter(called(references), state="closed_without_fix").order_by("resolved_at")
    found = {}
    for case in closed.defer("haystack") if references else ():
        for reference in {case.context.get("reference"), case.business_key} & set(references):
            at = case.resolved_at or case.opened_at
            found[case.source, reference] = GivenUp(None, None, at, case.id, case.number, case.root_cause)
    found = {
        (source, reference): found[source[:60], reference]
        for source, reference in named
        if (source[:60], reference) in found
    }
    there = Invoice.objects.filter(billing_reference__in=[reference for _, reference in found])
    for recorded in there.values_list("source", "billing_reference") if found else ():
        found.pop(recorded, None)
    return found


def asked(works: Sequence[Work]) -> dict[uuid.UUID, Finding]:
    """By step of record_invoice, what a second person is asked of a document that was given up."""
    named = {work.step.id: (work.fact.source, work.fact.payload.billing_reference) for work in works}
    found = of({document_of(work.fact.source, work.fact.payload, work.step.order_key) for work in works})
    if not found:
        return {}
    events = [one.event_id for one in found.values() if one.event_id is not None]
    then = dict(Event.objects.filter(id__in=events).values_list("id", "payload"))
    wanted = _wanted([one.case_id for one in found.values() if one.case_id is not None])
    return {
        work.step.id: _finding(work, one, then.get(one.event_id) if one.event_id else None, wanted)
        for work in works
        if (one := found.get(named[work.step.id])) is not None
    }


def _wanted(case_ids: Sequence[uuid.UUID]) -> dict[str, str]:
    """By event, who wants it booked after all, and why."""
    told = CaseEvent.objects.filter(case__in=case_ids, kind=AFTER_ALL)
    return {data["event"]: text for data, text in told.values_list("data", "text")}


def _finding(work: Work, given_up: GivenUp, then: str | None, wanted: dict[str, str]) -> Finding:
    """Nothing in it changes between two checks, so that it is what was signed."""
    invoice: InvoiceDocument = work.fact.payload
    text = f"Invoice {invoice.invoice_number} was {given_up}"
    what = invoice_again.since(stored.read(then, InvoiceDocument), invoice) if then else ""
    if not then:
        text += f" as it could not be read, and {work.fact.source} tells of it so that it can"
    elif what:
        text += f", and was changed in {work.fact.source} since: {what}"
    if why := wanted.get(str(work.fact.id)):
        text += f". {why}"
    elif then and not what:
        text += f", and {work.fact.source} tells of it again, as it was"
    return Finding(
        reason=Reason.INVOICE_GIVEN_UP,
        text=text,
        pointer="/invoice_number",
        seen=invoice.invoice_number,
        remedy="A second person approves it if it is to be booked after all; refused, it stays given up",
    )
