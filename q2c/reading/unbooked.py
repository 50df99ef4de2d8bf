"""What came and is in no books yet, by legal entity and month; and which open cases are about what else is counted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum

from exceptions.models import Case
from exceptions.models.case import UNRESOLVED
from q2c import bulk
from q2c.engine.unread import total
from q2c.models import Connection, Invoice, Step
from q2c.reading import unread
from q2c.reasons import Reason
from q2c.stages.in_billing import DocumentOf, HasNamed

# Steps by which something comes into a period.
BOOKING = ("record_invoice", "reverse_journal")
UNDER_WAY = ("waiting", "running", "accepted", "unknown")
Month = tuple[str, str]

# A case of a posting counts with the journal that it posts, where that stands in the period of the case.
OF_POSTING = """
FROM exceptions_case c
JOIN q2c_step s ON s.id = c.step_id
JOIN q2c_event e ON e.id = s.event_id
JOIN ledger_journalentry o ON o.id = (e.payload ->> 'journal_id')::uuid
JOIN ledger_journalentry j ON j.event_id = o.event_id AND j.business_document = o.business_document
JOIN ledger_fiscalperiod p ON p.id = j.period_id AND p.name = c.period
WHERE c.stage = 'post_journal' AND c.state = ANY(%s::text[]) AND c.entity = ANY(%s::text[])
  AND c.period = ANY(%s::text[]) AND j.state = ANY(%s::text[])
"""
_OF_JOURNALS = f"SELECT c.entity, c.period, count(DISTINCT c.id) {OF_POSTING} GROUP BY 1, 2"


@dataclass(slots=True)
class Unbooked:
    """`invoices` came and are not recorded, worth `sums` as (minor units, currency), charges and credits apart.

    Of the month's open cases `cases_here` are about what is still to be booked, `cases_of_journals` about journals
    that are not posted: those stand in two columns of a close.
    """

    invoices: int = 0
    sums: list[tuple[int, str]] = field(default_factory=list)
    cases_here: int = 0
    cases_of_journals: int = 0


def by_month(user: Any, months: Collection[Month], not_posted: Collection[str]) -> dict[Month, Unbooked]:
    """Of each of these months; `not_posted` are the states of journals that count as such. Four statements, and four
    more where something could not be read."""
    found = {month: Unbooked() for month in months}
    entities, names = sorted({entity for entity, _ in months}), sorted({name for _, name in months})
    mine = Step.objects.visible_to(user).filter(entity__in=entities, period__in=names).order_by()
    instead = unread.instead(user)
    signed = came(mine, instead).annotate(is_credit=Q(amount_minor__lt=0))
    by_sign = signed.values("entity", "period", "currency", "is_credit")
    for row in by_sign.annotate(n=Count("id"), minor=Sum("amount_minor", default=0)):
        if one := found.get((row["entity"], row["period"])):
            one.invoices += row["n"]
            if row["currency"]:
                one.sums.append((int(row["minor"]), row["currency"]))
    for case in unread.to_book(instead.values()):
        if one := found.get((case.entity, case.period)):
            one.invoices += 1
            one.sums.append((total(case) or 0, case.currency))
            one.cases_here += 1
    if not user.has_perm("exceptions.view_case"):
        return found
    to_book = came(mine, instead) | mine.filter(stage__in=BOOKING, state__in=UNDER_WAY)
    cases = Case.objects.visible_to(user).filter(state__in=UNRESOLVED, stage__in=BOOKING)
    told = cases.filter(entity__in=entities, period__in=names, step_id__in=to_book.values("id")).order_by()
    for entity, name, number in told.values_list("entity", "period").annotate(n=Count("id")):
        if one := found.get((entity, name)):
            one.cases_here += number
    for entity, name, number in bulk.execute(_OF_JOURNALS, [list(UNRESOLVED), entities, names, list(not_posted)]):
        if one := found.get((entity, name)):
            one.cases_of_journals = number
    return found


def came(steps: QuerySet[Step], instead: Collection[str]) -> QuerySet[Step]:
    """Invoices that came and are not recorded. What billing changed after it was booked is in the books, as long as the
    booked one is not voided; and so is what another system told of and is booked, whatever stopped this one: an entity
    gives a number once. What billing has otherwise of it is a difference (recorded_otherwise.py).

    Of what several systems told, billing's counts: stopped as well, or given up (given_up.py); else what came last.
    What billing has taken back is owed by nobody, whoever tells of it. `instead` of what has these order keys a later
    version counts that cannot be read (unread.py).
    """
    billing = Connection.objects.filter(service="billing").values("name")
    named = Invoice.objects.filter(number=OuterRef("business_key"), entity=OuterRef("entity")).exclude(state="voided")
    versions = Step.objects.filter(stage="record_invoice", order_key=OuterRef("order_key"))
    own, others = named.filter(source=OuterRef("event__source")), named.exclude(source=OuterRef("event__source"))
    of_it = others.annotate(document=DocumentOf("number", "entity")).filter(document=OuterRef("order_key"))
    is_booked = Q(Exists(versions.filter(Exists(own))), reason=Reason.INVOICE_CHANGED)
    is_known = Q(Exists(versions.filter(Exists(of_it))), event__source__in=billing)
    is_there = ~Q(event__source__in=billing) & Q(Exists(others))
    failed = steps.filter(stage="record_invoice", state="failed").exclude(order_key__in=list(instead))
    return failed.exclude(is_booked).exclude(is_known).exclude(is_there).exclude(_counts_elsewhere())


def _counts_elsewhere() -> Q:
    """Another system told of it, too, and that is counted, or has taken it back."""
    billing = Connection.objects.filter(service="billing").values("name")
    named = {"business_key": OuterRef("business_key"), "entity": OuterRef("entity")}
    told = Step.objects.filter(stage="record_invoice", **named).exclude(event__source=OuterRef("event__source"))
    later = told.filter(state="failed", seq__gt=OuterRef("seq"))
    return ~Q(event__source__in=billing) & (Q(HasNamed(F("business_key"), F("entity"))) | Q(Exists(later)))
