"""Invoices that two people gave up: billing touches or changes one, or somebody wants it after all.

Given up is a document whose case was closed without fix: before it was recorded, or, recorded and voided by that, while
its journal was never sent. It is booked once a second person signs that, whoever tells of it again and however often.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exceptions.models import CaseEvent
from q2c import bulk
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Event
from q2c.reasons import Reason
from q2c.stages import invoice_again
from q2c.stages.taken_back_there import CANCELLED
from q2c.stages.verb import Finding, Work

# On the timeline of a case that was closed before: a person wants its invoice booked, as the event that `data` names;
# of what could not be read, as the one that comes so that it can be, in the name of the person that `data` names.
AFTER_ALL = "after_all"

# The latest decision on each document, unless it was recorded after that. A step whose document was booked all the
# while (`invoice_changed`) decided about the change, not about the document; one of what billing had cancelled
# (`invoice_cancelled`) not about what billing posts again. Another source that tells of it knows it by the number,
# which a legal entity gives once: what was given up of a number that was booked then was about what came again under
# it. So it is with what could not be read, which has no step, and may have no entity either.
_DECIDED = """
WITH mine AS (
  SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS m(source, reference, order_key, entity, number, order_number, sent_as)
), unread AS (
  SELECT m.source, m.reference, m.entity, m.number, c.id, c.resolved_at
  FROM mine m CROSS JOIN LATERAL (
    SELECT n.id FROM exceptions_case n WHERE n.business_key IN (m.reference, m.number) AND n.raw_hash IS NOT NULL
    UNION SELECT n.id FROM exceptions_case n WHERE n.context @> jsonb_build_object('reference', m.reference)
                                               AND n.raw_hash IS NOT NULL
    UNION SELECT n.id FROM exceptions_case n WHERE n.context @> jsonb_build_object('id', m.sent_as)
                                               AND n.raw_hash IS NOT NULL
  ) named JOIN exceptions_case c ON c.id = named.id
  WHERE c.state = 'closed_without_fix' AND c.step_id IS NULL
  AND c.reason <> 'event_conflict' AND c.code <> %s
  AND coalesce(c.context ->> 'type', 'InvoiceIssued') = 'InvoiceIssued'
  AND NOT EXISTS (SELECT FROM q2c_connection k WHERE k.name = c.source AND k.service = 'crm')
  AND CASE WHEN coalesce(c.context ->> 'source', c.source) = m.source
      THEN coalesce(c.context ->> 'reference', c.business_key) = m.reference
        OR NOT c.context ? 'reference' AND (c.business_key = m.number OR c.context ->> 'id' = m.sent_as)
      ELSE c.business_key = m.number AND c.entity IN ('', m.entity)
        AND coalesce(c.context ->> 'order', m.order_number) = m.order_number END
), gone AS (
  SELECT m.source, m.reference, s.id AS step_id, s.event_id, s.finished_at AS at, NULL::uuid AS case_id,
    NULL::text AS entity, NULL::text AS number
  FROM mine m JOIN q2c_step s ON s.order_key = m.order_key AND s.stage = 'record_invoice'
  WHERE s.state = 'abandoned' AND s.reason NOT IN ('superseded', 'invoice_changed', 'invoice_cancelled')
  UNION ALL
  SELECT m.source, m.reference, s.id, s.event_id, s.finished_at, NULL, m.entity, m.number
  FROM mine m JOIN q2c_step s ON s.business_key = m.number AND s.entity = m.entity AND s.stage = 'record_invoice'
  JOIN q2c_event e ON e.id = s.event_id AND e.source <> m.source
  WHERE s.state = 'abandoned' AND s.reason NOT IN ('superseded', 'invoice_changed', 'invoice_cancelled')
  UNION ALL
  SELECT m.source, m.reference, p.id, i.event_id, p.finished_at, NULL, NULL, NULL
  FROM mine m
  CROSS JOIN LATERAL (
    SELECT event_id, number, state FROM q2c_invoice WHERE source = m.source AND billing_reference = m.reference
    UNION ALL
    SELECT event_id, number, state FROM q2c_invoice WHERE entity = m.entity AND number = m.number AND source <> m.source
  ) i
  JOIN q2c_step p ON p.business_key = i.number AND p.stage = 'post_journal'
  JOIN q2c_event e ON e.id = p.event_id AND e.causation_id = i.event_id
  WHERE i.state = 'voided' AND p.state = 'abandoned' AND p.reason <> 'superseded'
  UNION ALL
  SELECT source, reference, NULL, NULL, resolved_at, id, entity, number FROM unread
)
SELECT DISTINCT ON (g.source, g.reference)
  g.source, g.reference, g.step_id, g.event_id, g.at, c.id, c.number, c.root_cause
FROM gone g LEFT JOIN LATERAL (
  SELECT id, number, root_cause FROM exceptions_case WHERE step_id = g.step_id
  UNION ALL SELECT id, number, root_cause FROM exceptions_case WHERE id = g.case_id
) c ON TRUE
WHERE NOT EXISTS (SELECT FROM q2c_invoice r WHERE r.source = g.source AND r.billing_reference = g.reference
                  AND r.recorded_at > g.at)
AND (g.number IS NULL OR NOT EXISTS (
  SELECT FROM (
    SELECT id, recorded_at FROM q2c_invoice WHERE entity = g.entity AND number = g.number
    UNION ALL SELECT id, recorded_at FROM q2c_invoice WHERE source = g.source AND billing_reference = g.reference
  ) h
  WHERE h.recorded_at <= g.at AND NOT EXISTS (
    SELECT FROM q2c_transition t WHERE t.record_id = h.id AND t.target = 'voided' AND t.at <= g.at)
))
ORDER BY g.source, g.reference, g.at DESC, g.step_id DESC NULLS LAST
"""


# By event, or by case of what could not be read: who wants it booked after all, and why; and that person.
Wishes = Mapping[str, tuple[str, int | None]]


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

    def wish(self, wishes: Wishes, event_id: uuid.UUID) -> tuple[str, int | None]:
        """Who wants this event's document booked all the same, and why; and that person. Empty where nobody said so."""
        return wishes.get(str(event_id if self.event_id else self.case_id), ("", None))

    def __str__(self) -> str:
        told = [f"C-{self.case_number}"] if self.case_number else []
        told += [self.root_cause.replace("_", " ")] if self.root_cause else []
        return f"given up on {self.at:%Y-%m-%d}" + (f" ({', '.join(told)})" if told else "")


class Document(NamedTuple):
    """What an invoice is known by: at `source` by its reference or the id it was `sent_as`; elsewhere by its number."""

    source: str
    reference: str
    order_key: str
    entity: str
    number: str
    order_number: str
    sent_as: str


def document_of(source: str, sent_as: str, invoice: InvoiceDocument, order_key: str) -> Document:
    named = invoice.legal_entity, invoice.invoice_number, invoice.order_number
    return Document(source, invoice.billing_reference, order_key, *named, sent_as)


def of(documents: Collection[Document]) -> dict[tuple[str, str], GivenUp]:
    """By (source, billing reference), of those that are given up; what is not known of one is empty. One statement."""
    if not documents:
        return {}
    columns = [[each or None for each in column] for column in zip(*sorted(documents), strict=True)]
    rows = bulk.execute(_DECIDED, [*columns, CANCELLED])
    return {(source, reference): GivenUp(*told) for source, reference, *told in rows}


def asked(works: Sequence[Work]) -> dict[uuid.UUID, Finding]:
    """By step of record_invoice, what a second person is asked of a document that was given up."""
    named = {work.step.id: (work.fact.source, work.fact.payload.billing_reference) for work in works}
    facts = [(work.fact, work.step.order_key) for work in works]
    found = of({document_of(fact.source, fact.source_id, fact.payload, key) for fact, key in facts})
    if not found:
        return {}
    events = [one.event_id for one in found.values() if one.event_id is not None]
    then = {event.id: event for event in Event.objects.filter(id__in=events).only("source", "payload")}
    wishes = wanted([one.case_id for one in found.values() if one.case_id is not None])
    return {
        work.step.id: _finding(work, one, then.get(one.event_id) if one.event_id else None, wishes)
        for work in works
        if (one := found.get(named[work.step.id])) is not None
    }


def wanted(case_ids: Sequence[uuid.UUID]) -> Wishes:
    """What people wished of the documents that were given up with these cases."""
    told = CaseEvent.objects.filter(case__in=case_ids, kind=AFTER_ALL).order_by("id")
    rows = told.values_list("case_id", "data", "text")
    return {data.get("event") or str(case_id): (text, data.get("person")) for case_id, data, text in rows}


def _finding(work: Work, given_up: GivenUp, then: Event | None, wishes: Wishes) -> Finding:
    """Nothing in it changes between two checks, so that it is what was signed."""
    invoice: InvoiceDocument = work.fact.payload
    elsewhere = then is not None and then.source != work.fact.source
    by = f" as {then.source} told of it" if then is not None and elsewhere else ""
    text = f"Invoice {invoice.invoice_number} was {given_up}{by}"
    before = stored.read(then.payload, InvoiceDocument) if then else None
    what = invoice_again.since(before, invoice, elsewhere) if before else ""
    if not then:
        text += f" as it could not be read, and {work.fact.source} tells of it so that it can"
    elif what and elsewhere:
        text += f", and {work.fact.source} tells of it otherwise: {what}"
    elif what:
        text += f", and was changed in {work.fact.source} since: {what}"
    why, person = given_up.wish(wishes, work.fact.id)
    if why:
        text += f". {why}"
    elif then and not what:
        text += f", and {work.fact.source} tells of it {'too' if elsewhere else 'again'}, as it was"
    return Finding(
        reason=Reason.INVOICE_GIVEN_UP,
        text=text,
        pointer="/invoice_number",
        seen=invoice.invoice_number,
        remedy="A second person approves it if it is to be booked after all; refused, it stays given up",
        wanted_by=person,
    )
