"""Billing periods and what of a charge belongs to each. Pure; months are counted as fractions, never as floats."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

PERIOD_MONTHS = {"Month": 1, "Quarter": 3, "Semi_Annual": 6, "Annual": 12}
BASE_MONTHS = {"Per_Month": 1, "Per_Year": 12}


def add_months(day: dt.date, count: int) -> dt.date:
    """The same day of a later month, or its last day."""
    years, month = divmod(day.month - 1 + count, 12)
    year = day.year + years
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def months_between(start: dt.date, end: dt.date, anchor: dt.date) -> Fraction:
    """Whole months, counted from `anchor`, the start of the subscription; else from start, and the days left over as
    a share of the month they begin.
    """
    before, until = _whole_months(anchor, start), _whole_months(anchor, end)
    if before is not None and until is not None:
        return Fraction(until - before)
    whole = max((end.year - start.year) * 12 + end.month - start.month, 0)
    while whole and add_months(start, whole) > end:
        whole -= 1
    reached = add_months(start, whole)
    length = (add_months(start, whole + 1) - reached).days
    return whole + Fraction((end - reached).days, length)


def _whole_months(anchor: dt.date, day: dt.date) -> int | None:
    count = (day.year - anchor.year) * 12 + day.month - anchor.month
    return count if count >= 0 and add_months(anchor, count) == day else None


def periods(start: dt.date, end: dt.date, billing: Mapping[str, Any], anchor: dt.date) -> list[tuple[dt.date, dt.date]]:
    """From start until before end, cut where the billing day falls; the first and last may be shorter.

    `anchor` is the start of the subscription, on which charges aligned to it are cut.
    """
    step = PERIOD_MONTHS.get(str(billing.get("billingPeriod") or "Month"), 1)
    if billing.get("billCycleType") == "SpecificDayofMonth":
        day = int(billing.get("billCycleDay") or 1)
        first = start.replace(day=min(day, calendar.monthrange(start.year, start.month)[1]))
        origin = first if first >= start else add_months(first, 1)
    elif billing.get("billingPeriodAlignment") == "AlignToCharge" or anchor > start:
        origin = start
    else:
        origin = anchor
    cuts, number = [start], 0
    while (cut := add_months(origin, step * number)) < end:
        if cut > start:
            cuts.append(cut)
        number += 1
    return list(zip(cuts, [*cuts[1:], end], strict=True)) if start < end else []


def total(pricing: Mapping[str, Any], months: Fraction, billing: Mapping[str, Any]) -> Fraction:
    """What a recurring charge comes to over so many months, in currency units."""
    flat, unit = pricing.get("recurringFlatFee"), pricing.get("recurringPerUnit")
    found = flat or unit or {}
    quantity = Fraction(str(unit.get("quantity", 1))) if unit else Fraction(1)
    base = str(found.get("listPriceBase") or "Per_Billing_Period")
    if base == "Per_Specific_Months":
        base_months = int(found.get("specificListPriceBase") or 1)
    else:
        base_months = BASE_MONTHS.get(base, PERIOD_MONTHS.get(str(billing.get("billingPeriod") or "Month"), 1))
    return Fraction(str(found.get("listPrice", 0))) * quantity * months / base_months


def rounded(value: Fraction) -> int:
    """Nearest whole number, halves away from zero."""
    return int(value + Fraction(1, 2)) if value >= 0 else -int(-value + Fraction(1, 2))


def share_minor(
    total_units: Fraction, exponent: int, cuts: Sequence[tuple[dt.date, dt.date]], until: dt.date, anchor: dt.date
) -> int:
    """What has come due before `until` of a charge that is billed in these periods, in minor units.

    Whole periods weigh alike, shorter ones by their days. The amount of a period is the difference of two of these,
    so periods sum to the total whatever they are.
    """
    weights = [months_between(start, end, anchor) for start, end in cuts]
    reached = Fraction(0)
    for (start, end), weight in zip(cuts, weights, strict=True):
        if start < until:
            reached += weight * Fraction((min(until, end) - start).days, (end - start).days)
    whole = sum(weights, Fraction(0))
    return rounded(total_units * 10**exponent * reached / whole) if whole else 0


def rate(pricing: Mapping[str, Any], quantity: Fraction) -> Fraction:
    """Usage in one billing period → currency units."""
    if "usagePerUnit" in pricing:
        return quantity * Fraction(str(pricing["usagePerUnit"]["listPrice"]))
    if "usageOverage" in pricing:
        terms = pricing["usageOverage"]
        return max(quantity - Fraction(str(terms["includedUnits"])), Fraction(0)) * Fraction(str(terms["overagePrice"]))
    volume = "usageVolume" in pricing
    tiers = (pricing.get("usageVolume") or pricing.get("usageTiered") or {}).get("tiers") or []
    rated, start = Fraction(0), Fraction(0)
    for tier in tiers:
        end = Fraction(str(tier["endingUnit"])) if tier.get("endingUnit") is not None else None
        reached = end is None or quantity <= end
        inside = (quantity if reached or end is None else end) - start
        units = quantity if volume else inside
        price = Fraction(str(tier["price"]))
        due = price if tier.get("priceFormat") == "FlatFee" else units * price
        if not volume and inside > 0:
            rated += due
        if reached:
            return due if volume and quantity > 0 else rated
        start = end or start
    return rated
