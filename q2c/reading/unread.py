"""Invoices that came and could not be read, of billing or by the API: those given up, those of no known period."""

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
from q2c.stages.not_theirs import FORBIDDEN
from q2c.stages.taken_back_there import CANCELLED
from q2c.stages.versions import invoice_key

# Of cases that were given up those whose invoice came since, and could be read; is booked, as it came before or as
# another system told of it; stands in the flow as that one did; or is posted in billing no more.
_HERE = """
SELECT c.id FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) AS g(id, source, reference, order_key)
JOIN exceptions_case c ON c.id = g.id
WHERE EXISTS (SELECT FROM q2c_invoice i WHERE i.source = g.source AND i.billing_reference = g.reference
              AND i.state <> 'voided')
  OR EXISTS (SELECT FROM q2c_invoice i WHERE i.entity = c.entity AND i.number = c.business_key AND i.state <> 'voided'
             AND (i.source <> g.source OR NOT c.context ? 'reference'))
  OR EXISTS (SELECT FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
             WHERE s.stage = 'record_invoice' AND s.order_key = g.order_key AND e.received_at > c.opened_at)
  OR EXISTS (SELECT FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
             WHERE s.stage = 'record_invoice' AND s.business_key = c.business_key AND s.entity = c.entity
             AND (e.source <> g.source OR NOT c.context ? 'reference')
             AND NOT (s.state = 'abandoned' AND s.reason = 'superseded')
             AND NOT EXISTS (SELECT FROM exceptions_case o JOIN exceptions_caseevent t ON t.case_id = o.id
                             WHERE o.step_id = s.id AND t.kind = 'taken_back'))
  OR EXISTS (SELECT FROM exceptions_caseevent t WHERE t.case_id = c.id AND t.kind IN ('taken_back', 'readable_again'))
"""


def is_one(case: Case) -> bool:
    """Whether a case is about an invoice that came and could not be read."""
    return Case.objects.filter(_are_invoices(), id=case.id).exists()


def given_up(user: Any) -> list[Difference]:
    """Those that a person closed without fix: posted in billing, not in the books. Two statements at most."""
    closed = [case for case in newest(_cases(user)) if case.state == "closed_without_fix"]
    here = _read_since(closed)
    return [
        Difference("invoice", case.business_key or case.shown, case.told_by, case.entity, case.period,
                   total(case), case.currency, case=case)
        for case in closed
        if case.id not in here
    ]  # fmt: skip


def of_entity(user: Any, entity: str) -> list[Case]:
    """The newest of each document of a legal entity, open or given up."""
    return [case for case in newest(_cases(user)) if case.entity == entity]


def unplaced(user: Any) -> list[Case]:
    """Open ones and those given up of which no period, or no legal entity, is known: they may belong to any close."""
    found = [case for case in newest(_cases(user)) if not case.period or not case.entity]
    here = _read_since([case for case in found if case.state not in UNRESOLVED])
    return [case for case in reversed(found) if case.id not in here]


def newest(cases: Iterable[Case]) -> list[Case]:
    """Of several about one document the last, `cases` being the newest first: by its reference at its source, or by its
    number, which two systems may tell of: one that has no right to stands for no other's."""
    documents: set[tuple[str, str]] = set()
    numbers: dict[tuple[str, str], str] = {}
    found, cases = [], list(cases)
    for case in cases:
        if case.code != FORBIDDEN:
            numbers.setdefault((case.entity, case.business_key), case.told_by)
    for case in cases:
        document, number = (case.told_by, case.called), (case.entity, case.business_key)
        told_by = numbers.setdefault(number, case.told_by) if all(number) else case.told_by
        if document not in documents and told_by == case.told_by:
            found.append(case)
        documents.add(document)
    return found


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


def _read_since(cases: Sequence[Case]) -> set[Any]:
    if not cases:
        return set()
    rows = [(case.id, case.told_by, case.called, invoice_key(case.told_by, case.called)) for case in cases]
    return {id_ for (id_,) in bulk.execute(_HERE, [list(column) for column in zip(*rows, strict=True)])}
