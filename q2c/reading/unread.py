"""Invoices that billing gave and that could not be read: those given up, and those of which no period is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c import bulk
from q2c.engine.sources import READING
from q2c.models import Connection
from q2c.reading.differences import Difference
from q2c.stages.taken_back_there import CANCELLED

# Of cases that were given up those whose invoice came since, and could be read; is booked as it came before; or is
# posted in billing no more.
_HERE = """
SELECT c.id FROM exceptions_case c WHERE c.id = ANY(%s::uuid[]) AND (
  EXISTS (SELECT FROM q2c_invoice i WHERE i.source = c.source AND i.state <> 'voided'
          AND i.billing_reference = coalesce(c.context ->> 'reference', c.business_key))
  OR EXISTS (SELECT FROM q2c_event e WHERE e.source = c.source AND e.type = 'InvoiceIssued'
             AND starts_with(e.source_id, coalesce(c.context ->> 'reference', c.business_key) || ':')
             AND e.received_at > c.opened_at)
  OR EXISTS (SELECT FROM exceptions_caseevent t WHERE t.case_id = c.id AND t.kind = 'taken_back'))
"""


def is_one(case: Case) -> bool:
    """Whether a case is about an invoice that billing gave and that could not be read."""
    if case.step_id is not None or case.raw_hash is None or case.code == CANCELLED or case.business_key == READING:
        return False
    return Connection.objects.filter(name=case.source, service="billing").exists()


def given_up(user: Any) -> list[Difference]:
    """Those that a person closed without fix: posted in billing, not in the books. Three statements at most."""
    closed = list(_cases(user).filter(state="closed_without_fix").order_by("-opened_at"))
    here = _read_since(closed)
    return [
        Difference("invoice", case.business_key, case.source, case.entity, case.period, case.amount_minor,
                   case.currency, case=case)
        for case in closed
        if case.id not in here
    ]  # fmt: skip


def unplaced(user: Any) -> list[Case]:
    """Open ones and those given up of which no period, or no legal entity, is known: they may belong to any close."""
    lost = _cases(user).filter(Q(period="") | Q(entity=""), state__in=(*UNRESOLVED, "closed_without_fix"))
    found = list(lost.order_by("opened_at"))
    here = _read_since([case for case in found if case.state not in UNRESOLVED])
    return [case for case in found if case.id not in here]


def _cases(user: Any) -> QuerySet[Case]:
    billing = Connection.objects.filter(service="billing").values_list("name", flat=True)
    rows = Case.objects.visible_to(user).filter(source__in=billing, step_id=None, raw_hash__isnull=False)
    mine: QuerySet[Case] = rows.exclude(code=CANCELLED).exclude(business_key__in=("", READING))
    return mine.select_related("owner_team", "assignee").defer("haystack")


def _read_since(cases: Sequence[Case]) -> set[Any]:
    return {id_ for (id_,) in bulk.execute(_HERE, [[case.id for case in cases]])} if cases else set()
