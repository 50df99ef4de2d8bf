"""Recorded invoices of which billing and the books differ: reversed here, changed or taken back there, given up unread.

Of each, what the books have by legal entity and period, against what billing has by its newest version
(q2c/stages/sides.py). They are told until they are settled, also while a case is open about them.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Q, QuerySet

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c import bulk
from q2c.models import Invoice, Step
from q2c.models.step import OPEN
from q2c.money import Money
from q2c.reading import unread_of_booked
from q2c.reading.differences import CutOff, Difference, Stands
from q2c.stages import cancelled_there, in_billing, sides
from q2c.stages.fiscal import periods_on
from q2c.stages.in_billing import Now
from q2c.stages.sides import Books, Version
from q2c.stages.taken_back_there import CANCELLED
from q2c.stages.verb import Month, Side

# By its mirror entries, which are few.
_REVERSED = """
SELECT DISTINCT i.id FROM ledger_journalentry m JOIN ledger_journalentry e ON e.id = m.reverses_id
JOIN q2c_invoice i ON i.event_id = e.event_id
WHERE m.reverses_id IS NOT NULL AND e.reverses_id IS NULL AND e.state = 'reversed' AND i.reversed_at IS NOT NULL
  AND i.taken_back_at IS NULL
"""


def of(user: Any, wanted: Q | None = None) -> list[Difference]:
    """Of the invoices that are `wanted`, or of all. A bounded number of statements."""
    seen = Invoice.objects.visible_to(user).exclude(state__in=("voided", "credited"))
    among: list[Invoice] | None = None
    if wanted is not None:
        among = list(seen.filter(wanted))
        if not among:
            return []
    came = _changed(user, among)
    invoices = _concerned(seen, among, list(came))
    books = sides.books_of(invoices)
    versions = {id_: _version(now) for id_, (_, now) in came.items() if not now.is_as_booked}
    redated = {(one.entity, one.issued_on) for one in invoices if books[one.id].booked_on != one.issued_on}
    periods = periods_on({(now.entity, now.issued_on) for now in versions.values()} | redated)
    of_steps = _by_step(user, [step.id for step, _ in came.values()])
    told = _of_taken_back([one for one in invoices if one.taken_back_at is not None])
    gone_from = cancelled_there.taken_by(invoices)
    found, may = [], user.has_perm("exceptions.view_case")
    for one in invoices:
        step = came[one.id][0] if one.id in came else None
        case = of_steps.get(step.id) if step is not None else told.get(one.id)
        is_open = step.state in OPEN if step is not None else case is not None and case.state in UNRESOLVED
        now = versions.get(one.id)
        differing = _turned if not books[one.id].is_as_booked else _changed_there if now is not None else _cancelled
        if (differs := differing(one, books[one.id], now, periods)) is not None:
            told_of = case if may else None
            where = step.event.source if step is not None else gone_from.get(one.id, differs.where)
            more = replace(differs, step=step, case=told_of, is_open=is_open, changed=now is not None)
            found.append(replace(more, where=where, is_elsewhere=where != one.source))
    return _with_unread(found, seen, among, may)


def _with_unread(
    found: list[Difference], seen: QuerySet[Invoice], among: Sequence[Invoice] | None, may: bool
) -> list[Difference]:
    """And those of which the newest version was given up unread, each told once."""
    them = unread_of_booked.of(among)
    if not them:
        return found
    rows = list(seen.filter(id__in=list(them)).order_by("-id"))
    again = {one.id: them[one.id].case for one in rows} if may else {}
    told = [replace(one, again=again.get(one.invoice_id)) if one.invoice_id else one for one in found]
    return [*told, *unread_of_booked.beside(found, rows, them, may)]


def _concerned(seen: QuerySet[Invoice], among: Sequence[Invoice] | None, changed: Sequence[uuid.UUID]) -> list[Invoice]:
    """Those that are reversed, changed or taken back, the newest first; what is both reversed and taken back agrees."""
    if among is None:
        reversed_ = [id_ for (id_,) in bulk.execute(_REVERSED, [])]
        gone = Q(taken_back_at__isnull=False, reversed_at=None)
        return list(seen.filter(gone | Q(id__in=[*reversed_, *changed])).order_by("-id"))
    known = set(changed)
    concerned = [one for one in among if bool(one.reversed_at) != bool(one.taken_back_at) or one.id in known]
    return sorted(concerned, key=lambda one: one.id, reverse=True)


def _changed(user: Any, among: Sequence[Invoice] | None) -> dict[uuid.UUID, tuple[Step, Now]]:
    """By invoice id: the step of the newest version, and what that says."""
    invoices = among if among is not None else list(Invoice.objects.filter(id__in=in_billing.otherwise()))
    standing = [one for one in invoices if one.state not in ("voided", "credited")]
    now = in_billing.newest(standing, put_back=True)
    rows = Step.objects.visible_to(user).filter(id__in=[each.step_id for each in now.values()])
    steps = {step.id: step for step in rows.select_related("event").defer("event__payload")} if now else {}
    return {id_: (steps[each.step_id], each) for id_, each in now.items() if each.step_id in steps}


def _version(now: Now) -> Version:
    return Version(now.entity, now.issued_on, now.worth)


_Periods = Mapping[tuple[str, dt.date], str]


def _changed_there(one: Invoice, books: Books, now: Version | None, periods: _Periods) -> Difference | None:
    """It stands as it was booked. What billing moved counts elsewhere there, whole."""
    assert now is not None
    entity, period = books.booked_in
    month = sides.month_of(one, books, now, periods)
    if month != books.booked_in:
        here, elsewhere = Money(one.total_minor, one.currency), month[0] if month[0] != one.entity else ""
        cut_off = CutOff(here, entity, period, books.booked_on, now.worth, elsewhere, month[1], now.issued_on)
        return _of("moved", one, entity, period, -one.total_minor, one.currency, why="changed", cut_off=cut_off)
    side = next(iter(sides.apart(one, books, now, month)), None)
    if side is None or not (side.booked or side.billed):
        return None
    return _of("changed", one, entity, period, side.minor, side.currency, why="changed")


def _cancelled(one: Invoice, books: Books, now: Version | None, periods: _Periods) -> Difference | None:
    entity, period = books.booked_in
    if one.taken_back_at is None or not books.total:
        return None
    return _of("cancelled", one, entity, period, -one.total_minor, one.currency, why="cancelled")


def _turned(one: Invoice, books: Books, now: Version | None, periods: _Periods) -> Difference | None:
    """Reversed, or restored in another period: a row of each month in which billing and the books differ.

    As a whole it is what billing has less what is left in the books, told where it is still to be put right.
    """
    gone = one.taken_back_at is not None
    month = None if gone else books.booked_in if now is None else sides.month_of(one, books, now, periods)
    differing = sides.apart(one, books, now, month)
    if not differing:
        return None
    there = Money(0 if gone else one.total_minor, one.currency) if now is None else now.worth
    same = there.currency == one.currency or not books.total
    kind = "cancelled" if gone else "changed" if books.stands else "invoice"
    return _of(
        kind, one, differing[-1].entity, differing[-1].period, there.minor - books.total if same else None,
        there.currency, why="cancelled" if gone else "changed" if books.stands else "reversed",
        sides=tuple((_kind(side, one), side) for side in differing),
        stands=_stands(one, books, month, periods),
    )  # fmt: skip


def _stands(one: Invoice, books: Books, month: Month | None, periods: _Periods) -> Stands | None:
    """None where all of it is in one month. What was re-dated counts in the one decided; billing has it in its own."""
    dated_in = month
    if month == books.booked_in and books.booked_on != one.issued_on:
        dated_in = (one.entity, periods[one.entity, one.issued_on])
    found = Stands(dated_in, month if month != dated_in else None, tuple(books.turns), one.currency)
    return found if len({*books.turns, *([dated_in] if dated_in else [])}) > 1 else None


def _kind(side: Side, one: Invoice) -> str:
    """What a month's row is counted as: lost to the books, still in them and not there any more, or otherwise. By what
    stands in the month, and whatever billing made of it in between."""
    if not side.booked or (not side.billed and side.booked == -one.total_minor):
        return "invoice"
    if not side.billed and side.booked == one.total_minor:
        return "cancelled" if one.taken_back_at is not None else "moved"
    return "changed"


def _of_taken_back(invoices: Sequence[Invoice]) -> dict[uuid.UUID, Case]:
    """The latest case of each of those that billing took back, whoever told of it first."""
    told: dict[tuple[str, str], Case] = {}
    cases = Case.objects.filter(code=CANCELLED, business_key__in=[one.number for one in invoices])
    for case in cases.select_related("owner_team", "assignee").defer("haystack").order_by("id") if invoices else ():
        told[case.entity, case.business_key] = case
    by_invoice = ((one.id, told.get((one.entity, one.number))) for one in invoices)
    return {id_: case for id_, case in by_invoice if case is not None}


def _by_step(user: Any, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID | None, Case]:
    rows = Case.objects.visible_to(user).filter(step_id__in=ids).select_related("owner_team", "assignee")
    return {case.step_id: case for case in rows.defer("haystack")} if ids else {}


def _of(kind: str, one: Invoice, entity: str, period: str, minor: int | None, currency: str, **more: Any) -> Difference:
    return Difference(
        kind, one.number, one.source, entity, period, minor, currency, invoice_id=one.id, booked_by=one.entity, **more
    )
