"""Of an invoice that waits to be booked, or whose journal waits to be posted: what billing has otherwise of it, as a
sentence."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence

from exceptions.models import Approval, Case
from exceptions.models.case import UNRESOLVED
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Event, Invoice, Step
from q2c.reasons import APPROVALS_OF_INVOICES
from q2c.stages import billing_otherwise, billing_since, post_journal


def of_case(case: Case) -> str:
    """Of an invoice that another system tells of; empty of others, and where billing has it so or not at all."""
    if case.stage != "record_invoice" or case.state not in UNRESOLVED or case.event_id is None:
        return ""
    there = Invoice.objects.filter(number=case.business_key, entity=case.entity).exclude(state="voided")
    return "" if there.exists() else _of_events([case.event_id]).get(case.event_id, "")


def of_unposted(cases: Collection[Case]) -> dict[uuid.UUID, str]:
    """By case, of those of a journal that is not posted, also where it was given up. A bounded number of statements."""
    mine = [case for case in cases if case.stage == "post_journal" and case.step_id]
    by_step = {case.step_id: case.id for case in mine if case.state in (*UNRESOLVED, "closed_without_fix")}
    entries = post_journal.journals_of(Step.objects.filter(id__in=list(by_step))) if by_step else {}
    return {by_step[step_id]: said for step_id, said in billing_since.of_entries(entries).items()}


def untold(approvals: Sequence[Approval]) -> dict[uuid.UUID, str]:
    """By approval of those that are still to be decided: what billing has told since it was asked for, which is asked
    about next. What is among the findings is signed. Three statements."""
    waiting = [a for a in approvals if a.state == "requested" and a.action in APPROVALS_OF_INVOICES]
    events = {a: a.case.event_id for a in waiting if a.case is not None and a.case.event_id}
    said = _of_events(set(events.values()))
    signed = {a: {finding["text"] for finding in a.data.get("findings", ())} for a in events}
    return {a.id: said[id_] for a, id_ in events.items() if id_ in said and said[id_] not in signed[a]}


def _of_events(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    rows = Event.objects.filter(id__in=ids, type="InvoiceIssued").values_list("id", "source", "payload") if ids else ()
    told = {id_: (source, stored.read(payload, InvoiceDocument)) for id_, source, payload in rows}
    known = billing_otherwise.of_told({billing_otherwise.named(*one) for one in told.values()})
    said = {id_: billing_otherwise.said(*one, known.get(billing_otherwise.named(*one))) for id_, one in told.items()}
    return {id_: text for id_, text in said.items() if text}
