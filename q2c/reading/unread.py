"""Invoices that came and could not be read, of billing or by the API: those that count, those of no known period.

One that counts in place of what came before it (stages/what_counts.py) is still to be booked while somebody works on it
(unbooked.py), and a difference once it is given up (given_up.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c import bulk
from q2c.engine.source import READS
from q2c.engine.unread import total
from q2c.models import Connection
from q2c.reading.differences import Difference
from q2c.reasons import Reason
from q2c.stages.in_billing import SYSTEMS, has_named
from q2c.stages.not_theirs import FORBIDDEN
from q2c.stages.taken_back_there import CANCELLED, all_booked_as
from q2c.stages.versions import invoice_key

# Of cases those whose document counts otherwise: it came since, and could be read; another system's under its number is
# booked, or can be read and counts; it is billing's, and this is not; or it is posted in billing no more.
_OTHERWISE = f"""
SELECT c.id FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS g(id, source, order_key)
JOIN exceptions_case c ON c.id = g.id
CROSS JOIN LATERAL (SELECT {has_named("c.business_key", "c.entity")} AS is_billings) k
WHERE EXISTS (SELECT FROM q2c_invoice i WHERE i.entity = c.entity AND i.number = c.business_key AND i.state <> 'voided'
              AND (i.source <> g.source OR NOT c.context ? 'reference'))
  OR EXISTS (SELECT FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
             WHERE s.stage = 'record_invoice' AND s.order_key = g.order_key AND e.received_at > c.opened_at)
  OR k.is_billings AND (g.source NOT IN {SYSTEMS} OR NOT c.context ? 'reference')
  OR NOT k.is_billings AND EXISTS (
    SELECT FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
    WHERE s.stage = 'record_invoice' AND s.business_key = c.business_key AND s.entity = c.entity
    AND e.source NOT IN {SYSTEMS} AND (e.source <> g.source OR NOT c.context ? 'reference')
    AND NOT (s.state = 'abandoned' AND s.reason = 'superseded'))
  OR EXISTS (SELECT FROM exceptions_caseevent t WHERE t.case_id = c.id AND t.kind IN ('taken_back', 'readable_again'))
"""


def is_one(case: Case) -> bool:
    """Whether a case is about an invoice that came and could not be read."""
    return Case.objects.filter(_are_invoices(), id=case.id).exists()


def given_up(user: Any) -> list[Difference]:
    """Those that a person closed without fix: posted in billing, not in the books."""
    return [
        Difference("invoice", case.business_key or case.shown, case.told_by, case.entity, case.period,
                   total(case), case.currency, case=case)
        for case in _counting(user)
        if case.state == "closed_without_fix"
    ]  # fmt: skip


def instead(user: Any) -> dict[str, Case]:
    """By order key of a document the case, open or given up, that counts in place of its versions that can be read."""
    return {invoice_key(case.told_by, case.called): case for case in _counting(user) if is_told(case)}


def to_book(cases: Iterable[Case]) -> list[Case]:
    """Those of instead() that somebody works on: they came, and are not recorded."""
    return [case for case in cases if case.state in UNRESOLVED]


def is_told(case: Case) -> bool:
    """Whether it is known where it belongs and what it is worth, so that it tells both."""
    return bool(case.entity and case.period and case.currency and case.amount_minor is not None)


def _counting(user: Any) -> list[Case]:
    """The newest of each document that counts by it. Five statements at most."""
    found = _one_of_a_document(_cases(user))
    otherwise = _otherwise(found)
    return _one_of_a_number([case for case in found if case.id not in otherwise])


def unplaced(user: Any) -> list[Case]:
    """Open ones and those given up of which no period, or no legal entity, is known: they may belong to any close."""
    found = [case for case in newest(_cases(user)) if not ((case.period and case.entity) or _is_no_ones(case))]
    otherwise = _otherwise([case for case in found if case.state not in UNRESOLVED])
    return [case for case in reversed(found) if case.id not in otherwise]


def _is_no_ones(case: Case) -> bool:
    """Sent without the right to, and it says neither whose it is nor what it is worth."""
    return case.code == FORBIDDEN and not case.entity and case.amount_minor is None


def newest(cases: Iterable[Case]) -> list[Case]:
    """Of several about one document the last, `cases` being the newest first: by its reference at its source, or by its
    number, which two systems may tell of."""
    return _one_of_a_number(_one_of_a_document(cases))


def _one_of_a_document(cases: Iterable[Case]) -> list[Case]:
    found: dict[tuple[str, str], Case] = {}
    for case in cases:
        found.setdefault((case.told_by, case.called), case)
    return list(found.values())


def _one_of_a_number(cases: Sequence[Case]) -> list[Case]:
    """One that has no right to stands for no other's, nor one that does not say what it is worth for one that does."""
    numbers: dict[tuple[str, str], str] = {}
    for case in sorted(cases, key=lambda case: (case.code == FORBIDDEN, not is_told(case))):
        numbers.setdefault((case.entity, case.business_key), case.told_by)
    return [
        case
        for case in cases
        if not (case.entity and case.business_key) or numbers[case.entity, case.business_key] == case.told_by
    ]


def _cases(user: Any) -> QuerySet[Case]:
    """Those that stand, the newest first."""
    return of_invoices(Case.objects.visible_to(user).filter(state__in=(*UNRESOLVED, "closed_without_fix")))


def of_invoices(cases: QuerySet[Case]) -> QuerySet[Case]:
    """Those of them that are about invoices, the newest first."""
    rows = cases.filter(_are_invoices()).order_by("-opened_at", "-number")
    return rows.select_related("owner_team", "assignee").defer("haystack")


def _are_invoices() -> Q:
    """Older cases do not say what came: of billing it is an invoice, else what has a reference and is no deal."""
    billing = Connection.objects.filter(service="billing").values("name")
    deals = Connection.objects.filter(service="crm").values("name")
    untold = Q(source__in=billing) & ~Q(business_key="") | Q(context__has_key="reference") & ~Q(source__in=deals)
    kept = Q(step_id=None, raw_hash__isnull=False) & ~Q(code=CANCELLED) & ~Q(business_key__in=READS)
    # What contradicts an event is told by that one.
    mine = kept & ~Q(reason=Reason.EVENT_CONFLICT)
    return mine & (Q(context__type="InvoiceIssued") | Q(context__type__isnull=True) & untold)


def _otherwise(cases: Sequence[Case]) -> set[Any]:
    if not cases:
        return set()
    booked = all_booked_as({(case.told_by, case.called) for case in cases})
    rows = [(case.id, case.told_by, invoice_key(case.told_by, case.called)) for case in cases]
    found = {id_ for (id_,) in bulk.execute(_OTHERWISE, [list(column) for column in zip(*rows, strict=True)])}
    return found | {case.id for case in cases if (case.told_by, case.called) in booked}
