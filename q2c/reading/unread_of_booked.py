"""Booked invoices whose newest version in billing cannot be read, once people gave that up.

The books stand as they were booked, and nobody knows what billing has: told until it comes so that it can be read, or
is taken back there. While somebody works on it, the case tells it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c import bulk
from q2c.engine.unread import standing, total
from q2c.models import Invoice
from q2c.reading import given_up_before, unread
from q2c.reading.differences import Difference
from q2c.stages import sides
from q2c.stages.sides import Books
from q2c.stages.taken_back_there import all_booked_as

# What came in unreadable of invoices, by their reference or their number.
_NAMED = """
SELECT c.id FROM unnest(%s::text[]) AS g(name) JOIN exceptions_case c ON c.raw_hash IS NOT NULL
AND (c.business_key = g.name OR c.context @> jsonb_build_object('reference', g.name))
"""


@dataclass(frozen=True, slots=True)
class Unread:
    """The case that was given up, and the people who decided so, as "Ben Okafor and Carla Weiss"."""

    case: Case
    by: str


def of(among: Sequence[Invoice] | None) -> dict[uuid.UUID, Unread]:
    """By invoice id, of these invoices or of all. One statement where none came unreadable, else a bounded number."""
    rows = unread.of_invoices(Case.objects.filter(state__in=(*UNRESOLVED, "closed_without_fix")))
    if among is not None:
        names = {name for one in among for name in (one.billing_reference, one.number)}
        ids = [id_ for (id_,) in bulk.execute(_NAMED, [list(names)])] if names else []
        if not ids:
            return {}
        rows = rows.filter(id__in=ids)
    closed = [case for case in unread.newest(rows) if case.state == "closed_without_fix"]
    stand = standing(closed)
    booked = all_booked_as({(case.told_by, case.called) for case in stand})
    by = given_up_before.deciders(stand) if booked else {}
    found = {
        booked[case.told_by, case.called].id: Unread(case, by.get(case.id, ""))
        for case in stand
        if (case.told_by, case.called) in booked
    }
    wanted = None if among is None else {one.id for one in among}
    return {id_: one for id_, one in found.items() if wanted is None or id_ in wanted}


def beside(
    found: Sequence[Difference], invoices: Sequence[Invoice], them: Mapping[uuid.UUID, Unread], may: bool
) -> list[Difference]:
    """A difference each of the `invoices` that nothing else is `found` of. `may`: whether cases are seen."""
    told = {one.invoice_id for one in found}
    rest = [one for one in invoices if one.id in them and one.id not in told]
    books = sides.books_of(rest)
    return [_of(one, books[one.id], them[one.id], may) for one in rest]


def _of(one: Invoice, books: Books, its: Unread, may: bool) -> Difference:
    """By how much the total that can be read is another than the one that is booked, if one can."""
    entity, period = books.booked_in
    read = total(its.case)
    more = read - books.total if read is not None else None
    if its.case.currency != one.currency:
        more = None
    return Difference(
        "unread", one.number, its.case.told_by, entity, period, more, one.currency if more is not None else "",
        case=its.case if may else None, by=its.by if may else "", invoice_id=one.id, booked_by=one.entity,
    )  # fmt: skip
