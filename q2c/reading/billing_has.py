"""Which invoices and subscriptions billing holds of what a case is about, as far as it told."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from exceptions.models import Case
from q2c.contracts import stored
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Connection, Event, Invoice, Step, Subscription
from q2c.reading import unread
from q2c.stages import withdrawn
from q2c.stages.taken_back_there import TAKEN_BACK


@dataclass(frozen=True, slots=True)
class Held:
    """`where` is what people call the platform; `at` when it told of it. `is_gone`: it has taken it back since."""

    where: str
    kind: str
    number: str
    at: dt.datetime | None
    is_gone: bool = False


def of(user: Any, case: Case, step: Step | None, invoices: Sequence[Invoice], orders: Iterable[Any]) -> list[Held]:
    """`invoices` and `orders` (their ids) are those that are here of it. A bounded number of statements."""
    billing = Connection.objects.filter(service="billing").values_list("name", "title")
    titles = {name: title or name for name, title in billing}
    found = _recorded(invoices, titles)
    event = _event(case, step)
    if event is not None and event.source in titles:
        document = stored.read(event.payload, InvoiceDocument)
        is_gone = bool(withdrawn.gone_since([event.id])) or _was_taken_back(case, step)
        held = Held(titles[event.source], "invoice", document.invoice_number, event.received_at, is_gone)
        found.setdefault((event.source, document.billing_reference), held)
    elif event is None and case.state != "resolved" and case.told_by in titles and unread.is_one(case):
        held = Held(titles[case.told_by], "invoice", case.business_key, case.opened_at, _was_taken_back(case, step))
        found.setdefault((case.told_by, case.called), held)
    there = Subscription.objects.visible_to(user).filter(order__in=list(orders)).exclude(reference="")
    subscriptions = [
        Held(titles.get(one.connection, one.connection), "subscription", one.number, one.provisioned_at)
        for one in there.order_by("number")[:20]
    ]
    return [*found.values(), *subscriptions]


def _event(case: Case, step: Step | None) -> Event | None:
    """That by which billing told of the invoice; None where the case is about something else."""
    event = step.event if step is not None else Event.objects.filter(id=case.event_id or uuid.UUID(int=0)).first()
    return event if event is not None and event.type == "InvoiceIssued" else None


def _recorded(invoices: Sequence[Invoice], titles: dict[str, str]) -> dict[tuple[str, str], Held]:
    """By (source, reference). Voided here it may stand there: it was given up, unless billing took it back."""
    voided = {one.event_id for one in invoices if one.state == "voided"}
    gone = voided - withdrawn.stay_out(voided)
    return {
        (one.source, one.billing_reference): Held(
            titles[one.source], "invoice", one.number, one.event.received_at,
            one.taken_back_at is not None or one.event_id in gone,
        )
        for one in sorted(invoices, key=lambda each: each.recorded_at)
        if one.source in titles
    }  # fmt: skip


def _was_taken_back(case: Case, step: Step | None) -> bool:
    return (step is not None and TAKEN_BACK in step.proof) or case.events.filter(kind=TAKEN_BACK).exists()
