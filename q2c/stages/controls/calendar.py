"""Months of a term: the one way in which q2c counts them."""

from __future__ import annotations

import calendar
import datetime as dt
from decimal import Decimal

from q2c.contracts.documents import OrderDocument, OrderLine, Phase


def add_months(day: dt.date, months: int) -> dt.date:
    """The same day of a later month; the last day where that month is shorter."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def whole_months(start: dt.date, end: dt.date) -> int | None:
    """Months from start until before end; None where it is not a whole number of months."""
    count = (end.year - start.year) * 12 + end.month - start.month
    return count if count >= 0 and add_months(start, count) == end else None


def term_end(order: OrderDocument) -> dt.date:
    """The first day after the term."""
    return add_months(order.starts_on, order.term_months)


def phases_of(order: OrderDocument, line: OrderLine) -> tuple[Phase, ...]:
    """The line's phases; without any, one over the whole term."""
    if line.phases:
        return line.phases
    return (
        Phase(starts_on=order.starts_on, ends_on=term_end(order), quantity=line.quantity, unit_price=line.unit_price),
    )


def price_periods(line: OrderLine, phase: Phase) -> Decimal | None:
    """How many times the unit price is due in a phase; None where the phase does not fit the price period."""
    if line.price_period == "once":
        return Decimal(1)
    months = whole_months(phase.starts_on, phase.ends_on)
    if months is None or (line.price_period == "year" and months % 12):
        return None if months is None else Decimal(months) / 12
    return Decimal(months) if line.price_period == "month" else Decimal(months // 12)
