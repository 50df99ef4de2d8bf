"""Fiscal periods: made a year at a time, found by day, closed, and reopened with a reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from django.contrib.auth import get_user_model
from django.db.models import QuerySet

from ledger.facts import Finding
from ledger.models import FiscalPeriod, LegalEntity
from ledger.models.entity import fiscal_year
from ledger.models.period import SUBLEDGERS
from q2c import clock, states
from q2c.reasons import Reason


class ReasonMissing(ValueError):
    """A period is reopened for a reason that somebody else can read."""


def ensure_year(entity: LegalEntity, year: int) -> list[FiscalPeriod]:
    """The twelve months of a fiscal year in each subledger, open where they did not exist; but for those of which
    another period holds some days, which left_out() names. Idempotent."""
    there = set(FiscalPeriod.objects.filter(entity=entity).values_list("subledger", "name"))
    wanted = [
        FiscalPeriod(
            entity=entity,
            subledger=subledger,
            name=f"{start:%Y-%m}",
            fiscal_year=year,
            starts_on=start,
            ends_on=end,
        )
        for start, end in _months(year, entity.fiscal_year_start_month)
        for subledger in SUBLEDGERS
        if (subledger, f"{start:%Y-%m}") not in there
    ]
    FiscalPeriod.objects.bulk_create(wanted, ignore_conflicts=True)
    # Those that somebody else made meanwhile have their history from them.
    made = FiscalPeriod.objects.filter(pk__in=[period.pk for period in wanted])
    why = f"Periods of fiscal year {year}"
    FiscalPeriod.history.bulk_history_create(made, default_change_reason=why, default_date=clock.now())
    return list(FiscalPeriod.objects.filter(entity=entity, fiscal_year=year))


def left_out(entity: LegalEntity, year: int) -> list[str]:
    """Months of a fiscal year that ensure_year did not make, since another period holds some of their days: their
    keys, US01:receivables:2027-01."""
    there = set(FiscalPeriod.objects.filter(entity=entity).values_list("subledger", "name"))
    return [
        f"{entity.code}:{subledger}:{start:%Y-%m}"
        for start, _ in _months(year, entity.fiscal_year_start_month)
        for subledger in SUBLEDGERS
        if (subledger, f"{start:%Y-%m}") not in there
    ]


def _months(year: int, start_month: int) -> Iterator[tuple[dt.date, dt.date]]:
    first = dt.date(year if start_month == 1 else year - 1, start_month, 1)
    for _ in range(12):
        after = (first + dt.timedelta(days=31)).replace(day=1)
        yield first, after
        first = after


def period_for(entity: LegalEntity, subledger: str, day: dt.date) -> FiscalPeriod | None:
    """The period that holds a day, whatever its state."""
    return FiscalPeriod.objects.filter(entity=entity, subledger=subledger, starts_on__lte=day, ends_on__gt=day).first()


def open_period(entity: LegalEntity, subledger: str, day: dt.date) -> FiscalPeriod | Finding:
    """The open period that holds a day, or PERIOD_CLOSED or PERIOD_MISSING with the period as blocker."""
    period = period_for(entity, subledger, day)
    if period is None:
        key = f"{entity.code}:{subledger}:{day:%Y-%m}"
        return Finding(Reason.PERIOD_MISSING, f"{key} does not exist", "fiscal_period", key, "effective_on")
    if period.state != "open":
        text = f"{period.key} is {period.state.replace('_', ' ')}"
        return Finding(Reason.PERIOD_CLOSED, text, "fiscal_period", period.key, "effective_on")
    return period


def first_open(entity: LegalEntity, subledger: str, day: dt.date) -> FiscalPeriod | None:
    """The first open period that ends after a day: where an approved decision may move a late fact."""
    found = FiscalPeriod.objects.filter(entity=entity, subledger=subledger, ends_on__gt=day, state="open")
    return found.order_by("starts_on").first()


def taking_corrections(entity: LegalEntity, subledger: str, day: dt.date) -> QuerySet[FiscalPeriod]:
    """The periods from a day on into which a reversal may still be booked, the first of them first."""
    found = FiscalPeriod.objects.filter(entity=entity, subledger=subledger, ends_on__gt=day)
    return found.filter(state__in=("open", "soft_closed")).order_by("starts_on")


def soft_close(period: FiscalPeriod, *, by: str, why: str = "", left: str = "") -> FiscalPeriod:
    """The flow books no more; corrections still may. `left`: what is not done in it, kept with the move."""
    return _move(period, ["soft_close"], by, why, left)


def close(period: FiscalPeriod, *, by: str, why: str = "", left: str = "") -> FiscalPeriod:
    """Nothing is booked any more. Waits for bookings that are under way. `left` as for soft_close()."""
    steps = ["soft_close", "close"] if period.state == "open" else ["close"]
    return _move(period, steps, by, why, left)


def reopen(period: FiscalPeriod, *, by: str, why: str) -> FiscalPeriod:
    """Open again. `why` is required; who may approve it is the caller's to ask."""
    if not why.strip():
        raise ReasonMissing(f"Say why {period.key} is reopened")
    return _move(period, ["reopen"], by, why)


def _move(period: FiscalPeriod, steps: list[str], by: str, why: str, left: str = "") -> FiscalPeriod:
    person = get_user_model().objects.filter(username=by).first()
    period.left_open = left
    with states.acting(by, why):
        for step in steps[:-1]:
            getattr(period, step)()
            # One version for all steps of a move; each step has its transition row.
            period.save_without_historical_record()  # type: ignore[attr-defined]
        getattr(period, steps[-1])()
        period._change_reason = (why if person else f"{why} (by {by})")[:100]  # type: ignore[attr-defined]
        period._history_user = person  # type: ignore[attr-defined]
        period.save()
        # A later save of the same object is somebody else's.
        del period._history_user  # type: ignore[attr-defined]
    return period


def year_of(entity: LegalEntity, day: dt.date) -> int:
    """The fiscal year of a day, for ensure_year."""
    return fiscal_year(day, entity.fiscal_year_start_month)
