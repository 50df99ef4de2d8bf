"""Months of a term: the one way in which q2c counts them."""

from __future__ import annotations

import calendar
import datetime as dt
from fractions import Fraction
from typing import Protocol

from q2c.contracts.documents import OrderDocument, OrderLine, Phase


class HasTerm(Protocol):
    """An order's document, or its record."""

    @property
    def starts_on(self) -> dt.date: ...

    @property
    def term_months(self) -> int: ...


def add_months(day: dt.date, months: int) -> dt.date:
    """The same day of a later month; the last day where that month is shorter, or where the calendar ends."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    if year > dt.MAXYEAR:
        return dt.date.max
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def whole_months(start: dt.date, end: dt.date) -> int | None:
    """Months from start until before end; None where it is not a whole number of months."""
    count = (end.year - start.year) * 12 + end.month - start.month
    return count if count >= 0 and add_months(start, count) == end else None


def term_end(order: HasTerm) -> dt.date:
    """The first day after the term."""
    return add_months(order.starts_on, order.term_months)


def phases_of(order: OrderDocument, line: OrderLine) -> tuple[Phase, ...]:
    """The line's phases; without any, one over the whole term."""
    if line.phases:
        return line.phases
    return (
        Phase(starts_on=order.starts_on, ends_on=term_end(order), quantity=line.quantity, unit_price=line.unit_price),
    )


def months_of(contract_from: dt.date, phase: Phase) -> int | None:
    """Months of a phase, counted from the contract's start: begun on 31 August, it has six until 28 February, and six
    more until 31 August. A phase that begins beside the contract's months is counted from its own start; None where
    neither way it is a whole number.
    """
    before, until = (whole_months(contract_from, day) for day in (phase.starts_on, phase.ends_on))
    if before is not None and until is not None and until >= before:
        return until - before
    return whole_months(phase.starts_on, phase.ends_on)


def price_periods(contract_from: dt.date, line: OrderLine, phase: Phase) -> Fraction | None:
    """How many times the unit price is due in a phase, exact: a year's price is due 3/2 times in 18 months.

    None where a phase is no whole number of months.
    """
    if line.price_period == "once":
        return Fraction(1)
    months = months_of(contract_from, phase)
    return None if months is None else Fraction(months, 12 if line.price_period == "year" else 1)


def phase_minor(contract_from: dt.date, line: OrderLine, phase: Phase, exponent: int) -> Fraction | None:
    """Quantity × unit price × price periods in minor units, exact; None where there are no whole periods."""
    periods = price_periods(contract_from, line, phase)
    if periods is None:
        return None
    return Fraction(phase.quantity) * Fraction(phase.unit_price) * periods * 10**exponent
