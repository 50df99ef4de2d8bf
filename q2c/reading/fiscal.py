"""Which days a period is, and which periods some days are in."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict

from django.db.models import Max, Q

from ledger.models import FiscalPeriod


def days_of(name: str) -> dict[tuple[dt.date, dt.date], list[str]]:
    """{(first day, first day after): codes of the entities whose period of this name these days are}."""
    found: defaultdict[tuple[dt.date, dt.date], list[str]] = defaultdict(list)
    rows = FiscalPeriod.objects.filter(name=name).order_by("entity__code")
    for starts_on, ends_on, code in rows.values_list("starts_on", "ends_on", "entity__code").distinct():
        found[starts_on, ends_on].append(code)
    return found


def is_one(name: str) -> bool:
    return FiscalPeriod.objects.filter(name=name).exists()


def own_names() -> list[str]:
    """Names of periods that are no month, the latest first; none where every calendar is by months."""
    named = FiscalPeriod.objects.exclude(name__regex=r"^\d{4}-\d{2}$").values("name").annotate(last=Max("starts_on"))
    return list(named.order_by("-last", "name").values_list("name", flat=True))


def ids_over(since: dt.date | None, until: dt.date | None) -> list[uuid.UUID]:
    """The periods that have a day between these two."""
    over = Q()
    if since:
        over &= Q(ends_on__gt=since)
    if until:
        over &= Q(starts_on__lte=until)
    return list(FiscalPeriod.objects.filter(over).values_list("id", flat=True))
