"""What pages say of recorded invoices beside their state: their journal is reversed, billing has them otherwise.

Where a case is open about it that is told here; once it is settled as it is, recorded_otherwise.py tells it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from ledger import journal
from q2c import bulk
from q2c.models import Invoice, Step
from q2c.models.step import OPEN
from q2c.reading import differences, recorded_otherwise, reversals
from q2c.reading.differences import Difference
from q2c.reasons import Reason
from q2c.stages.taken_back_there import CANCELLED

# The open steps of versions that billing gave of these invoices after they were booked: (invoice, step).
_CHANGED = """
SELECT DISTINCT ON (i.id) i.id, s.id FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
JOIN q2c_invoice i ON i.source = e.source AND i.billing_reference = e.payload ->> 'billing_reference'
WHERE s.stage = 'record_invoice' AND s.state = ANY(%s::text[]) AND s.reason = %s AND i.id = ANY(%s::uuid[])
ORDER BY i.id, e.occurred_at DESC, s.seq DESC
"""


@dataclass(frozen=True, slots=True)
class Marks:
    """`open` are the differences to billing that a case is open about, `settled` those that stay as they are. Where
    there are none, billing has it no more (`cancelled`), nor have the books.
    """

    reversal: reversals.Reversal | None = None
    open: list[Difference] = field(default_factory=list)
    settled: list[Difference] = field(default_factory=list)
    taken_back: bool = False

    @property
    def cancelled(self) -> bool:
        return self.taken_back and not self.differences

    @property
    def differences(self) -> list[Difference]:
        return [*self.open, *self.settled]


def marks(
    user: Any, invoices: Sequence[Invoice], settled: Iterable[Difference] | None = None
) -> dict[uuid.UUID, Marks]:
    """By invoice id, each of them. `settled` are those of recorded_otherwise, where they were read before."""
    if settled is None:
        settled = recorded_otherwise.of(user, Q(id__in=[one.id for one in invoices]))
    turned = reversals.of_invoices(user, invoices)
    told, opened = differences.by_invoice(settled), differences.by_invoice(of(user, invoices))
    return {
        one.id: Marks(
            turned.get(one.id), opened.get(one.id, []), told.get(one.id, []),
            one.taken_back_at is not None and one.state not in ("voided", "credited"),
        )
        for one in invoices
    }  # fmt: skip


def of(user: Any, invoices: Iterable[Invoice]) -> list[Difference]:
    """What billing has changed or taken back of these, is in the books all the same, and has an open case."""
    living = [one for one in invoices if one.state not in ("voided", "credited")]
    gone = journal.taken_back([one.event_id for one in living]) if living else set()
    held = {one.id: one for one in living if one.event_id not in gone}
    if not held:
        return []
    return [*_cancelled(user, [one for one in held.values() if one.taken_back_at is not None]), *_changed(user, held)]


def _cancelled(user: Any, invoices: Sequence[Invoice]) -> list[Difference]:
    numbers = [one.number for one in invoices]
    told = Case.objects.filter(code=CANCELLED, state__in=UNRESOLVED, business_key__in=numbers)
    rows = told.select_related("owner_team", "assignee").defer("haystack") if invoices else ()
    cases = {(case.source, case.entity, case.business_key): case for case in rows}
    seen = set(Case.objects.visible_to(user).filter(id__in=[case.id for case in rows]).values_list("id", flat=True))
    named = [(one, cases.get((one.source[:60], one.entity, one.number))) for one in invoices]
    return [
        _of("cancelled", one, one.total_minor, case if case.id in seen else None)
        for one, case in named
        if case is not None
    ]


def _changed(user: Any, held: Mapping[uuid.UUID, Invoice]) -> list[Difference]:
    ids = [id_ for id_, one in held.items() if one.taken_back_at is None]
    pairs = dict(bulk.execute(_CHANGED, [list(OPEN), str(Reason.INVOICE_CHANGED), ids])) if ids else {}
    steps = Step.objects.visible_to(user).in_bulk(list(pairs.values())) if pairs else {}
    told = Case.objects.visible_to(user).filter(step_id__in=list(steps), state__in=UNRESOLVED)
    rows = told.select_related("owner_team", "assignee").defer("haystack") if steps else ()
    cases = {case.step_id: case for case in rows}
    found = []
    for id_, step_id in pairs.items():
        if (step := steps.get(step_id)) is not None:
            one = held[id_]
            same = step.currency == one.currency and step.amount_minor is not None
            more = step.amount_minor - one.total_minor if same and step.amount_minor is not None else None
            found.append(_of("changed", one, more, cases.get(step_id), step))
    return found


def _of(kind: str, one: Invoice, minor: int | None, case: Case | None, step: Step | None = None) -> Difference:
    period = case.period if case is not None else ""
    return Difference(kind, one.number, one.source, one.entity, period, minor, one.currency, why=kind, step=step,
                      case=case, invoice_id=one.id)  # fmt: skip
