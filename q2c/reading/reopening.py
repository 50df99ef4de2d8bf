"""What reopening a period is about: cases that wait for it, cases that would meet it next, and what is open in it.

A case waits for the period where it failed for it. One that failed for something else, which is gone, meets it next
where the dry run of its replay found it closed: that replay fails until the period is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from exceptions import next_cause, unblock
from exceptions.models import Case
from ledger.models import FiscalPeriod
from q2c.reading import left_open

_KIND = "fiscal_period"


@dataclass(frozen=True, slots=True)
class Held:
    """`cases` with their amounts as (minor units, currency); `query` is what the queue is asked to show these."""

    cases: int
    amounts: list[tuple[int, str]]
    query: str


@dataclass(frozen=True, slots=True)
class Reopening:
    """`left` are the lines of left_open.of(); `query` is what the queue is asked to show the cases of its month."""

    period: FiscalPeriod
    waiting: Held
    next: Held
    left: list[str]
    query: str


def period_of(key: str) -> FiscalPeriod | None:
    """By its key, JP:receivables:2026-11; None where there is none."""
    entity, subledger, name = key.split(":")
    found = FiscalPeriod.objects.filter(entity__code=entity, subledger=subledger, name=name)
    return found.select_related("entity").first()


def of_key(user: Any, key: str) -> Reopening | None:
    """By the key of a period, as this person sees it; None where there is none."""
    period = period_of(key)
    return of(user, period) if period is not None else None


def cases_of(period: FiscalPeriod) -> str:
    """What the queue is asked to show the cases of its month."""
    return f"entity:{period.entity.code} period:{period.name}"


def of(user: Any, period: FiscalPeriod) -> Reopening:
    """As this person sees it now."""
    key, seen = period.key, Case.objects.visible_to(user)
    waiting = unblock.waiting_for(("", _KIND, key, "period_closed")) & seen
    return Reopening(
        period=period,
        waiting=_held(waiting, f"blocker:{_KIND}/{key} -is:replaying"),
        next=_held(seen.filter(next_cause.meeting(key, _KIND)), f"next:{_KIND}/{key}"),
        left=left_open.of(user, period).splitlines(),
        query=cases_of(period),
    )


def _held(cases: QuerySet[Case], query: str) -> Held:
    rows = list(cases.values_list("amount_minor", "currency"))
    return Held(len(rows), [(minor, currency) for minor, currency in rows if minor is not None], query)
