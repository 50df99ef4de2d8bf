"""Of a case about an invoice that billing gave, or took back: whether people gave the same up before, and who did."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exceptions.models import Approval, Case
from exceptions.rights import called
from exceptions.sentences import listed
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Step
from q2c.stages import given_up
from q2c.stages.given_up import Document
from q2c.stages.taken_back_there import CANCELLED
from q2c.stages.versions import invoice_key


@dataclass(frozen=True, slots=True)
class Before:
    """The earlier case; `by` are the people who decided so, as "Ben Okafor and Carla Weiss"; `wish` says who asked that
    it be booked after all, and why, where the later case came of that."""

    case: Case
    by: str
    at: dt.datetime
    wish: str


def of(user: Any, cases: Iterable[Case]) -> dict[uuid.UUID, Before]:
    """By case, of those whose invoice was given up before they opened. Some ten statements."""
    every = list(cases)
    asked = [case for case in every if case.code != CANCELLED]
    return _given_up(user, asked) | _taken_back(user, [case for case in every if case.code == CANCELLED])


def _taken_back(user: Any, asked: Sequence[Case]) -> dict[uuid.UUID, Before]:
    """An earlier time that billing took it back, of which people closed the case."""
    if not asked:
        return {}
    closed = Case.objects.visible_to(user).filter(code=CANCELLED, state="closed_without_fix")
    numbers = {case.business_key for case in asked}
    rows = list(closed.filter(business_key__in=numbers).defer("haystack").order_by("number"))
    by, found = deciders(rows), dict[uuid.UUID, Before]()
    for case in asked:
        for row in rows:
            same = (row.source, row.entity, row.business_key) == (case.source, case.entity, case.business_key)
            if same and row.number < case.number and row.resolved_at is not None:
                found[case.id] = Before(row, by.get(row.id, ""), row.resolved_at, "")
    return found


def _given_up(user: Any, asked: Sequence[Case]) -> dict[uuid.UUID, Before]:
    steps = _steps(asked)
    documents = _documents(asked, steps)
    decided = given_up.of(documents.values())
    found = {
        case.id: one
        for case in asked
        if case.id in documents
        and (one := decided.get(documents[case.id][:2])) is not None
        and one.case_id is not None
        and one.at <= case.opened_at
    }
    ids = {one.case_id for one in found.values()}
    if not ids:
        return {}
    seen = {case.id: case for case in Case.objects.visible_to(user).filter(id__in=ids).defer("haystack")}
    by, wishes = deciders(list(seen.values())), given_up.wanted(list(seen))
    events = {case.id: steps[case.step_id].event_id for case in asked if case.step_id in steps}
    said = {id_: one.wish(wishes, events[id_])[0] for id_, one in found.items() if id_ in events}
    return {
        id_: Before(seen[one.case_id], by.get(one.case_id, ""), one.at, said.get(id_, ""))
        for id_, one in found.items()
        if one.case_id in seen
    }


def _steps(cases: Sequence[Case]) -> dict[uuid.UUID | None, Step]:
    steps = Step.objects.filter(id__in=[case.step_id for case in cases if case.step_id], stage="record_invoice")
    return {step.id: step for step in steps.select_related("event")}


def _documents(cases: Sequence[Case], of_step: Mapping[uuid.UUID | None, Step]) -> dict[uuid.UUID, Document]:
    """By case, of those that are about an invoice as billing gives it, readable or not."""
    found: dict[uuid.UUID, Document] = {}
    for case in cases:
        step = of_step.get(case.step_id) if case.step_id else None
        if step is not None:
            event, invoice = step.event, stored.read(step.event.payload, InvoiceDocument)
            found[case.id] = given_up.document_of(event.source, event.source_id, invoice, step.order_key)
        elif case.step_id is None and case.raw_hash is not None:
            found[case.id] = _unread(case)
    return found


def _unread(case: Case) -> Document:
    """As far as it is known of what could not be read."""
    order, sent_as = case.context.get("order", ""), case.context.get("id", "")
    key = invoice_key(case.told_by, case.called)
    return Document(case.told_by, case.called, key, case.entity, case.business_key, order, sent_as)


def deciders(cases: Sequence[Case]) -> dict[uuid.UUID | None, str]:
    """By case: who asked that it be closed and who agreed; of one that was refused for good, who refused."""
    rows = Approval.objects.filter(case__in=cases, state__in=("approved", "refused")).order_by("decided_at")
    found: dict[uuid.UUID | None, str] = {}
    for row in rows.select_related("requested_by", "decided_by"):
        people = [row.requested_by, row.decided_by] if row.state == "approved" else [row.decided_by]
        found[row.case_id] = listed([called(one) for one in people if one is not None])
    return found
