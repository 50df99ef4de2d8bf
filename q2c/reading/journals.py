"""Journal entries as lists want them."""

from __future__ import annotations

from typing import Any

from django.db.models import BigIntegerField, Case, F, Func, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Concat

from ledger.models import FiscalPeriod, JournalEntry, LegalEntity
from q2c.models import Invoice
from q2c.reading import fiscal, invoices
from q2c.reading.wanted import Wanted

STATES = ("drafted", "ready", "posting", "blocked", "posted", "reversed", "superseded")
# The newest come by id, which is ordered by time.
SORTS = {"booked": "id", "number": "number", "amount": "worth_minor", "effective": "effective_on"}


def found(user: Any, wanted: Wanted) -> QuerySet[JournalEntry]:
    """The entries that the user may see and asked for, with entity, period and what they reverse, in no order yet."""
    rows = JournalEntry.objects.visible_to(user).prefetch_related("entity", "period", "reverses")
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.entity:
        rows = rows.filter(entity__in=list(LegalEntity.objects.filter(code=wanted.entity).values_list("id", flat=True)))
    if wanted.currency:
        rows = rows.filter(currency=wanted.currency)
    if wanted.period:
        rows = rows.filter(
            period__in=list(FiscalPeriod.objects.filter(name=wanted.period).values_list("id", flat=True))
        )
    if wanted.since or wanted.until:
        # An entry is booked in a period of its day, by which it is found.
        rows = rows.filter(period__in=fiscal.ids_over(wanted.since, wanted.until))
    if wanted.since:
        rows = rows.filter(effective_on__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(effective_on__lte=wanted.until)
    return rows.filter(pk__in=_called(wanted.q)) if wanted.q else rows


# What one adds to what journals are worth, as q2c_tally counts it: what takes something back adds nothing, and what
# puts it back adds it again.
WORTH = Case(
    When(reverses__isnull=True, then="worth_minor"),
    default=Func("reverses", "worth_minor", function="q2c_worth", output_field=BigIntegerField()),
)
MIRRORED = F("worth_minor") - WORTH


def _called(text: str) -> QuerySet[Any]:
    """The ids by number from its beginning, by the number the ERP gave, or by invoice, order or customer."""
    by_number = Q(number__startswith=text) | Q(number__startswith=text.upper())
    billed = Invoice.objects.filter(pk__in=invoices.called(text))
    documents = billed.values_list(Concat(Value("invoice:"), "number", output_field=TextField()), flat=True)
    parts = [
        JournalEntry.objects.filter(condition).values("id")
        for condition in (by_number, Q(document_number__in=[text, text.upper()]), Q(business_document__in=documents))
    ]
    return parts[0].union(*parts[1:])
