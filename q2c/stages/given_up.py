"""Invoices that two people gave up: billing touches or changes one, or somebody wants it after all.

Given up is a document whose case was closed without fix: before it was recorded, or, recorded and voided by that, while
its journal was never sent. It is booked once a second person signs that, whoever tells of it again and however often.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from exceptions.models import CaseEvent
from q2c import bulk
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Event
from q2c.reasons import Reason
from q2c.stages import invoice_again
from q2c.stages.verb import Finding, Work

# On the timeline of a case that was closed before: a person wants its invoice booked, as the event that `data` names.
AFTER_ALL = "after_all"

# The latest decision on each document, unless it was recorded after that. A step whose document was booked all the
# while (`invoice_changed`) decided about the change, not about the document.
_DECIDED = """
WITH mine AS (
  SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) AS m(source, reference, order_key)
), gone AS (
  SELECT m.source, m.reference, s.id AS step_id, s.event_id, s.finished_at
  FROM mine m JOIN q2c_step s ON s.order_key = m.order_key AND s.stage = 'record_invoice'
  WHERE s.state = 'abandoned' AND s.reason NOT IN ('superseded', 'invoice_changed')
  UNION ALL
  SELECT m.source, m.reference, p.id, i.event_id, p.finished_at
  FROM mine m
  JOIN q2c_invoice i ON i.source = m.source AND i.billing_reference = m.reference AND i.state = 'voided'
  JOIN q2c_step p ON p.business_key = i.number AND p.stage = 'post_journal'
  JOIN q2c_event e ON e.id = p.event_id AND e.causation_id = i.event_id
  WHERE p.state = 'abandoned' AND p.reason <> 'superseded'
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
    """The decision: the step that it ended, the event whose document was given up, when, and the case."""

    step_id: uuid.UUID
    event_id: uuid.UUID
    at: dt.datetime
    case_id: uuid.UUID | None
    case_number: int | None
    root_cause: str

    def __str__(self) -> str:
        told = [f"C-{self.case_number}"] if self.case_number else []
        told += [self.root_cause.replace("_", " ")] if self.root_cause else []
        return f"given up on {self.at:%Y-%m-%d}" + (f" ({', '.join(told)})" if told else "")


def of(documents: Collection[tuple[str, str, str]]) -> dict[tuple[str, str], GivenUp]:
    """By (source, billing reference), of those that are given up. `documents` name the order key as well. One
    statement."""
    if not documents:
        return {}
    rows = bulk.execute(_DECIDED, [list(column) for column in zip(*sorted(documents), strict=True)])
    return {(source, reference): GivenUp(*told) for source, reference, *told in rows}


def asked(works: Sequence[Work]) -> dict[uuid.UUID, Finding]:
    """By step of record_invoice, what a second person is asked of a document that was given up."""
    named = {work.step.id: (work.fact.source, work.fact.payload.billing_reference) for work in works}
    found = of({(*named[work.step.id], work.step.order_key) for work in works})
    if not found:
        return {}
    then = dict(Event.objects.filter(id__in=[one.event_id for one in found.values()]).values_list("id", "payload"))
    wanted = _wanted([one.case_id for one in found.values() if one.case_id is not None])
    return {
        work.step.id: _finding(work, one, stored.read(then[one.event_id], InvoiceDocument), wanted)
        for work in works
        if (one := found.get(named[work.step.id])) is not None
    }


def _wanted(case_ids: Sequence[uuid.UUID]) -> dict[str, str]:
    """By event, who wants it booked after all, and why."""
    told = CaseEvent.objects.filter(case__in=case_ids, kind=AFTER_ALL)
    return {data["event"]: text for data, text in told.values_list("data", "text")}


def _finding(work: Work, given_up: GivenUp, then: InvoiceDocument, wanted: dict[str, str]) -> Finding:
    """Nothing in it changes between two checks, so that it is what was signed."""
    invoice: InvoiceDocument = work.fact.payload
    text = f"Invoice {invoice.invoice_number} was {given_up}"
    what = invoice_again.since(then, invoice)
    if what:
        text += f", and was changed in {work.fact.source} since: {what}"
    if why := wanted.get(str(work.fact.id)):
        text += f". {why}"
    elif not what:
        text += f", and {work.fact.source} tells of it again, as it was"
    return Finding(
        reason=Reason.INVOICE_GIVEN_UP,
        text=text,
        pointer="/invoice_number",
        seen=invoice.invoice_number,
        remedy="A second person approves it if it is to be booked after all; refused, it stays given up",
    )
