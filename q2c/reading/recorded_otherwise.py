"""Recorded invoices that the books hold otherwise than billing: reversed here, changed or taken back there.

They are told until they are settled, also while a case is open about them.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c import bulk
from q2c.models import Invoice, Step
from q2c.models.step import OPEN
from q2c.money import Money
from q2c.reading.differences import CutOff, Difference
from q2c.reasons import Reason
from q2c.stages import taken_back_there
from q2c.stages.record_invoice import key_of
from q2c.stages.taken_back_there import CANCELLED

# Of each the last turn that is posted: an odd number of turns leaves nothing. (invoice, entity, period of that turn)
_REVERSED = """
WITH RECURSIVE chain AS (
  SELECT i.id AS invoice, e.id, e.entity_id, e.period_id, 0 AS turns
  FROM ledger_journalentry e JOIN q2c_invoice i ON i.event_id = e.event_id
  WHERE e.state = 'reversed' AND e.reverses_id IS NULL AND i.state NOT IN ('voided', 'credited')
    AND i.taken_back_at IS NULL AND (%s::uuid[] IS NULL OR i.id = ANY(%s::uuid[]))
    AND e.id IN (SELECT m.reverses_id FROM ledger_journalentry m WHERE m.reverses_id IS NOT NULL)
  UNION ALL
  SELECT c.invoice, m.id, m.entity_id, m.period_id, c.turns + 1 FROM ledger_journalentry m JOIN chain c
  ON m.reverses_id = c.id WHERE m.state IN ('posted', 'reversed')
), last AS (SELECT DISTINCT ON (invoice) * FROM chain ORDER BY invoice, turns DESC)
SELECT l.invoice, n.code, p.name FROM last l JOIN ledger_legalentity n ON n.id = l.entity_id
JOIN ledger_fiscalperiod p ON p.id = l.period_id WHERE l.turns %% 2 = 1
"""
# What was booked, with the newest version that billing gave of it, and the date of that: (step, invoice, date).
_CHANGED = """
SELECT s.id, i.id, (e.payload ->> 'issued_on')::date FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
JOIN q2c_invoice i ON i.source = e.source AND i.billing_reference = e.payload ->> 'billing_reference'
WHERE s.id = ANY(%s::uuid[]) AND i.state NOT IN ('voided', 'credited') AND i.taken_back_at IS NULL
  AND NOT ledger_taken_back(i.event_id)
  AND NOT EXISTS (
    SELECT FROM q2c_step n JOIN q2c_event f ON f.id = n.event_id
    WHERE n.stage = 'record_invoice' AND n.order_key = s.order_key
    AND (f.occurred_at, n.seq) > (e.occurred_at, s.seq))
"""
# The journal that books each: (invoice, entity, period).
_BOOKED = """
SELECT DISTINCT ON (i.id) i.id, n.code, p.name FROM q2c_invoice i JOIN ledger_journalentry e ON e.event_id = i.event_id
JOIN ledger_legalentity n ON n.id = e.entity_id JOIN ledger_fiscalperiod p ON p.id = e.period_id
WHERE i.id = ANY(%s::uuid[]) AND e.reverses_id IS NULL AND e.state <> 'superseded' AND NOT ledger_taken_back(i.event_id)
ORDER BY i.id, e.id DESC
"""


def of(user: Any, wanted: Q | None = None) -> list[Difference]:
    """Of the invoices that are `wanted`, or of all. A bounded number of statements."""
    seen = Invoice.objects.visible_to(user)
    if wanted is None:
        return [*_reversed(seen, None), *_changed(user, seen, None), *_cancelled(user, seen)]
    rows = list(seen.filter(wanted).only("id", "source", "billing_reference", "taken_back_at"))
    if not rows:
        return []
    gone = [one.id for one in rows if one.taken_back_at is not None]
    cancelled = _cancelled(user, seen.filter(id__in=gone)) if gone else []
    return [*_reversed(seen, [one.id for one in rows]), *_changed(user, seen, rows), *cancelled]


def _reversed(seen: QuerySet[Invoice], ids: Sequence[uuid.UUID] | None) -> list[Difference]:
    there = {id_: (entity, period) for id_, entity, period in bulk.execute(_REVERSED, [ids, ids])}
    return [
        _of("invoice", one, *there[one.id], why="reversed") for one in seen.filter(id__in=list(there)).order_by("-id")
    ]


def _changed(user: Any, seen: QuerySet[Invoice], among: Sequence[Invoice] | None) -> list[Difference]:
    rows = Step.objects.visible_to(user).filter(stage="record_invoice", state__in=(*OPEN, "abandoned"))
    rows = rows.filter(reason=Reason.INVOICE_CHANGED)
    if among is not None:
        # It may have come under another number.
        rows = rows.filter(order_key__in=[key_of(each.source, each.billing_reference) for each in among])
    steps = {step.id: step for step in rows.select_related("event").defer("event__payload")}
    found = bulk.execute(_CHANGED, [list(steps)]) if steps else []
    ids = None if among is None else {one.id for one in among}
    came = [(steps[step_id], id_, day) for step_id, id_, day in found if ids is None or id_ in ids]
    booked = _booked([id_ for _, id_, _ in came])
    invoices = seen.in_bulk([id_ for _, id_, _ in came])
    cases = _by_step(user, [step.id for step, _, _ in came])
    periods = taken_back_there.periods_on({(step.entity, day) for step, _, day in came})
    return [
        _of_change(step, invoices[id_], booked[id_], day, periods[step.entity, day], cases.get(step.id))
        for step, id_, day in came
        if id_ in invoices and id_ in booked
    ]


def _of_change(
    step: Step, one: Invoice, booked: tuple[str, str], day: dt.date, period: str, case: Case | None
) -> Difference:
    """What was re-dated here stands in its period by decision: only what billing moved counts elsewhere there."""
    told: dict[str, Any] = {"why": "changed", "step": step, "case": case, "is_open": step.state in OPEN}
    elsewhere = step.entity if step.entity != one.entity else ""
    if elsewhere or (day != one.issued_on and period != booked[1]):
        here, there = Money(one.total_minor, one.currency), Money(step.amount_minor or 0, step.currency)
        cut_off = CutOff(here, booked[0], booked[1], one.issued_on, there, elsewhere, period, day)
        return _of("moved", one, *booked, -one.total_minor, cut_off=cut_off, **told)
    same = step.currency == one.currency and step.amount_minor is not None
    more = step.amount_minor - one.total_minor if same and step.amount_minor is not None else None
    return _of("changed", one, *booked, more, **told)


def _cancelled(user: Any, seen: QuerySet[Invoice]) -> list[Difference]:
    rows = seen.filter(taken_back_at__isnull=False).exclude(state__in=("voided", "credited"))
    invoices = list(rows.order_by("-id"))
    booked = _booked([one.id for one in invoices])
    told: dict[tuple[str, str, str], Case] = {}
    cases = Case.objects.filter(code=CANCELLED, business_key__in=[one.number for one in invoices])
    for case in cases.select_related("owner_team", "assignee").defer("haystack").order_by("id") if invoices else ():
        told[case.source, case.entity, case.business_key] = case
    may = user.has_perm("exceptions.view_case")
    found = []
    for one in invoices:
        case = told.get((one.source[:60], one.entity, one.number))
        if one.id in booked:
            told_of: dict[str, Any] = {"case": case if may else None}
            told_of["is_open"] = case is not None and case.state in UNRESOLVED
            found.append(_of("cancelled", one, *booked[one.id], -one.total_minor, why="cancelled", **told_of))
    return found


def _booked(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[str, str]]:
    rows = bulk.execute(_BOOKED, [list(ids)]) if ids else []
    return {id_: (entity, period) for id_, entity, period in rows}


def _by_step(user: Any, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID | None, Case]:
    rows = Case.objects.visible_to(user).filter(step_id__in=ids).select_related("owner_team", "assignee")
    return {case.step_id: case for case in rows.defer("haystack")}


def _of(kind: str, one: Invoice, entity: str, period: str, minor: int | None = 0, **more: Any) -> Difference:
    amount = one.total_minor if kind == "invoice" else minor
    return Difference(kind, one.number, one.source, entity, period, amount, one.currency, invoice_id=one.id, **more)
