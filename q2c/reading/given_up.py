"""What was given up on its way, and stands somewhere all the same: posted in billing and not in the books, or in the
books here and not in the ledger. With it what is recorded and differs from billing (recorded_otherwise.py).

A case that was closed without fix ends its step, and nothing asks for it any more; this is where it stays in sight.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Q, QuerySet

from exceptions.models import Case, CaseEvent
from ledger.models import FiscalPeriod, Redating
from q2c import bulk
from q2c.models import Connection, Invoice, Order, Step
from q2c.models.step import OPEN
from q2c.reading import came_unreadable, recorded_otherwise, unread
from q2c.reading.differences import Difference, Sums
from q2c.reading.invoices import named_as
from q2c.reasons import Reason
from q2c.stages import post_journal
from q2c.stages.fiscal import periods_on
from q2c.stages.in_billing import SYSTEMS, document_of, has_named

# Of several versions the newest is what billing has: given up it is told, else it has a case of its own or is booked.
# One that cannot be read has a case, and is told by that (came_unreadable.py, unread.py).
# What is recorded after all, or was taken back there since, stands nowhere else. Another system knows it by the number,
# which an entity gives once: what it told is booked, or stands in the flow, where it does not count less than billing's
# word (unbooked.py). What billing has otherwise of that is told with what is recorded, also where it has another number
# by now.
_LEFT_OUT = f"""
SELECT g.event_id FROM unnest(%s::uuid[]) AS g(event_id) JOIN q2c_event e ON e.id = g.event_id
JOIN q2c_step s ON s.event_id = e.id AND s.stage = 'record_invoice'
WHERE EXISTS (SELECT FROM q2c_invoice i WHERE i.source = e.source AND i.state <> 'voided'
              AND i.billing_reference = e.payload ->> 'billing_reference')
  OR EXISTS (SELECT FROM q2c_step n JOIN q2c_event f ON f.id = n.event_id
             WHERE n.stage = 'record_invoice' AND n.order_key = s.order_key
             AND (f.occurred_at, n.seq) > (e.occurred_at, s.seq))
  OR EXISTS (SELECT FROM q2c_invoice i WHERE i.number = s.business_key AND i.entity = s.entity AND i.state <> 'voided'
             AND i.source <> e.source AND e.source NOT IN {SYSTEMS})
  OR EXISTS (SELECT FROM q2c_step k JOIN q2c_invoice i ON i.number = k.business_key AND i.entity = k.entity
             WHERE k.stage = 'record_invoice' AND k.order_key = s.order_key AND i.state <> 'voided'
             AND i.source <> e.source AND (
               s.reason = 'invoice_changed' AND e.source NOT IN {SYSTEMS}
               OR e.source IN {SYSTEMS} AND {document_of("i.number", "i.entity")} = s.order_key))
  OR e.source NOT IN {SYSTEMS} AND ({has_named("s.business_key", "s.entity")} OR EXISTS (
       SELECT FROM q2c_step o JOIN q2c_event f ON f.id = o.event_id
       WHERE o.stage = 'record_invoice' AND o.business_key = s.business_key AND o.entity = s.entity
       AND f.source <> e.source AND o.state = ANY(%s::text[])))
"""
ROWS_MAX = 200


def of_order(user: Any, order: Order) -> list[Difference]:
    """Of the invoices of one order, the newest first."""
    journals = Q(stage="post_journal") & named_as(Invoice.objects.filter(order=order).only("number", "entity"))
    mine = Q(event__correlation_id=order.correlation_id) | journals
    return [*_read(user, _steps(user).filter(mine)), *recorded_otherwise.of(user, Q(order=order))]


def of_invoice(user: Any, invoice: Invoice) -> list[Difference]:
    given_up = _read(user, _steps(user).filter(named_as([invoice]), stage="post_journal"))
    return [*given_up, *recorded_otherwise.of(user, Q(id=invoice.id))]


def of_step(user: Any, step: Step) -> Difference | None:
    """What giving this one up has left, while it is so."""
    return next(iter(_read(user, _steps(user).filter(id=step.id))), None)


def of_accounts(user: Any, invoices: Sequence[Invoice], correlation_ids: Collection[uuid.UUID]) -> list[Difference]:
    """Of some orders, by the correlation ids of their journeys, and of some invoices."""
    mine = Q(event__correlation_id__in=list(correlation_ids)) | named_as(invoices)
    recorded = Q(correlation_id__in=list(correlation_ids)) | Q(id__in=[invoice.id for invoice in invoices])
    return [*_read(user, _steps(user).filter(mine)), *recorded_otherwise.of(user, recorded)]


def by_month(user: Any, months: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Sums]:
    """Of these legal entities' periods, by (entity, period); those without any are left out."""
    wanted = set(months)
    if not wanted:
        return {}
    entities, periods = {entity for entity, _ in wanted}, {period for _, period in wanted}
    ended = _with_namesakes(_steps(user).filter(entity__in=entities), Q(period__in=periods) | _redated())
    unreadable = unread.given_up(user)
    found = _once(_read(user, ended, most=None), unreadable)
    return _summed([*found, *recorded_otherwise.of(user), *unreadable], wanted)


def _with_namesakes(steps: QuerySet[Step], wanted: Q) -> QuerySet[Step]:
    """And invoices under their numbers in whatever month: several systems may have told of one (_of_one_system)."""
    numbers = steps.filter(wanted, stage="record_invoice").order_by().values("business_key")
    return steps.filter(wanted | Q(stage="record_invoice", business_key__in=numbers))


def _redated() -> Q:
    """Journals that were re-dated: given up, their invoices are in another month, which is that of their date."""
    voided = Invoice.objects.filter(state="voided", event__in=Redating.objects.values("event_id"))
    return Q(stage="post_journal", business_key__in=voided.values("number"))


def of_open_months(user: Any) -> dict[tuple[str, str], Sums]:
    """Of every entity's periods that are not closed altogether: what a close to come has to know."""
    unreadable = [one for one in unread.given_up(user) if one.entity and one.period]
    redated = _once(_read(user, _steps(user).filter(_redated()), most=None), unreadable)
    otherwise = [*recorded_otherwise.of(user), *unreadable, *redated]
    months = set(_steps(user).order_by().values_list("entity", "period").distinct())
    months |= {(side.entity, side.period) for one in otherwise for side in one.by_period()}
    entities, names = {entity for entity, _ in months}, {period for _, period in months}
    states: dict[tuple[str, str], set[str]] = {}
    known = FiscalPeriod.objects.filter(entity__code__in=entities, name__in=names)
    for entity, name, state in known.values_list("entity__code", "name", "state"):
        states.setdefault((entity, name), set()).add(state)
    wanted = {month for month in months if states.get(month) != {"closed"}}
    ended = _steps(user).filter(entity__in=entities, period__in=names).exclude(_redated())
    return _summed([*_once(_read(user, ended, most=None), unreadable), *otherwise], wanted)


def _once(found: Iterable[Difference], unreadable: Iterable[Difference]) -> list[Difference]:
    """Without those that came again unreadable, and are listed as that."""
    listed = {one.case.id for one in unreadable if one.case is not None and unread.is_told(one.case)}
    return [one for one in found if one.again is None or one.again.id not in listed]


def _summed(found: Iterable[Difference], wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Sums]:
    months: dict[tuple[str, str], Sums] = {}
    for one in (side for each in found for side in each.by_period()):
        if (one.entity, one.period) in wanted:
            months.setdefault((one.entity, one.period), Sums()).add(one)
    return months


def _steps(user: Any) -> QuerySet[Step]:
    """Steps that a person gave up; what was overtaken, taken back or cancelled in billing says so as its reason."""
    ended = Step.objects.visible_to(user).filter(state="abandoned", stage__in=("record_invoice", "post_journal"))
    rows: QuerySet[Step] = ended.exclude(reason__in=(Reason.SUPERSEDED, Reason.INVOICE_CANCELLED))
    return rows.select_related("event").defer("event__payload")


def _read(user: Any, steps: QuerySet[Step], most: int | None = ROWS_MAX) -> list[Difference]:
    rows = list(steps.order_by("-seq")[:most])
    if not rows:
        return []
    gone = _taken_back([step.id for step in rows])
    came = [step for step in rows if step.stage == "record_invoice" and step.id not in gone]
    overtaken = _overtaken([step.event_id for step in came])
    gone |= {step.id for step in came if step.event_id in overtaken}
    seen = Case.objects.visible_to(user).filter(step_id__in=[step.id for step in rows])
    cases = {case.step_id: case for case in seen.select_related("owner_team", "assignee").defer("haystack")}
    found = [
        (step.event_id, _of("invoice", step.business_key, step.event.source, step))
        for step in came
        if step.id not in gone
    ]
    found += _unposted([step for step in rows if step.stage == "post_journal"], gone)
    of_step = {
        one.step.id: (event_id, replace(one, case=cases.get(one.step.id)))
        for event_id, one in found
        if one.step is not None
    }
    told = [of_step[step.id] for step in rows if step.id in of_step]
    return _unless_unreadable(user, _of_one_system(told))


def _of_one_system(found: Sequence[tuple[uuid.UUID, Difference]]) -> list[tuple[uuid.UUID, Difference]]:
    """Of invoices that several systems told of, and none of which is booked, what billing has; else what came last.
    `found` has the newest first, each with its event."""
    sources: dict[tuple[str, str], list[str]] = {}
    for _, one in found:
        if one.kind == "invoice":
            sources.setdefault((one.entity, one.number), []).append(one.where)
    if all(len(set(mine)) < 2 for mine in sources.values()):
        return list(found)
    billing = set(Connection.objects.filter(service="billing").values_list("name", flat=True))
    counts = {name: next((one for one in mine if one in billing), mine[0]) for name, mine in sources.items()}
    return [
        (event_id, one)
        for event_id, one in found
        if one.kind != "invoice" or one.where == counts[one.entity, one.number]
    ]


def _unless_unreadable(user: Any, found: Sequence[tuple[uuid.UUID, Difference]]) -> list[Difference]:
    """Without invoices that came again and cannot be read, as long as an open case tells what they are worth; given up
    as well, they stay with that case. By the event of each.
    """
    since = came_unreadable.since(user, [event_id for event_id, one in found if one.kind == "invoice"])
    told = {case.id for case in unread.to_book(unread.instead(user).values())} if since else ()
    pairs = [(one, since.get(event_id) if one.kind == "invoice" else None) for event_id, one in found]
    return [replace(one, again=again) for one, again in pairs if again is None or again.id not in told]


def _overtaken(event_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Of these events of invoices those that stand for nothing any more."""
    return {id_ for (id_,) in bulk.execute(_LEFT_OUT, [list(event_ids), list(OPEN)])} if event_ids else set()


def _taken_back(step_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    told = CaseEvent.objects.filter(case__step_id__in=step_ids, kind="taken_back")
    return set(told.values_list("case__step_id", flat=True))


def _of(kind: str, number: str, where: str, step: Step) -> Difference:
    return Difference(kind, number, where, step.entity, step.period, step.amount_minor, step.currency, step=step)


def _unposted(steps: Sequence[Step], gone: Collection[uuid.UUID]) -> list[tuple[uuid.UUID, Difference]]:
    """Journals that are in the books and not in their ledger; of those that left the books their invoice is left.
    Each with the event that it came by.

    A mirror entry that was given up leaves nothing: what it was to reverse stands as it did.
    """
    entries = post_journal.journals_of(steps)
    voided = {
        invoice.event_id: invoice
        for invoice in Invoice.objects.filter(event__in=[entry.event_id for entry in entries.values()], state="voided")
    }
    overtaken = _overtaken(list(voided))
    dated_in = periods_on({(invoice.entity, invoice.issued_on) for invoice in voided.values()})
    found = []
    for step in steps:
        entry = entries.get(step.id)
        if entry is None:
            continue
        if entry.state in ("ready", "blocked"):
            found.append((entry.event_id, _of("journal", str(entry), step.connection, step)))
        elif step.id in gone or entry.event_id in overtaken or entry.reverses_id is not None:
            continue
        elif invoice := voided.get(entry.event_id):
            left = _of("invoice", invoice.number, invoice.source, step)
            month = dated_in[invoice.entity, invoice.issued_on]
            found.append((entry.event_id, replace(left, period=month)))
    return found
