"""The sandbox's own bill run: charges, usage and tax → invoices. Pure: reads records, returns drafts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from q2c import money
from q2c.connectors.zuora.sandbox import periods

Record = Mapping[str, Any]


@dataclass
class Item:
    """One line of an invoice; the service period ends before `ends_on`. A credit takes back what was billed ahead."""

    charge: Record
    starts_on: dt.date
    ends_on: dt.date
    quantity: Decimal
    amount_minor: int
    taxes: list[dict[str, Any]] = field(default_factory=list)
    usage_period: str = ""
    is_credit: bool = False

    @property
    def tax_minor(self) -> int:
        return sum(tax["minor"] for tax in self.taxes)


@dataclass
class Draft:
    """One invoice to be: all that a subscription owes on one bill date."""

    bill_on: dt.date
    items: list[Item]


def day(value: str | None) -> dt.date | None:
    return dt.date.fromisoformat(value) if value else None


def drafts(
    subscription: Record,
    usages: Sequence[Record],
    rates: Sequence[Record],
    until: dt.date,
    ran_until: dt.date = dt.date.min,
) -> list[Draft]:
    """What is due until and with `until` and not billed yet, by bill date.

    Each item is billed on the day it is due; what an earlier run, made until `ran_until`, would have billed is late
    and comes with this run's date: no invoice is dated back.
    """
    by_date: dict[dt.date, list[Item]] = {}
    for charge in subscription["charges"]:
        for due_on, item in _due(subscription, charge, usages, until):
            bill_on = due_on if due_on > ran_until else until
            item.taxes = taxes(item.amount_minor, subscription["soldTo"], charge.get("taxCode", ""), rates)
            by_date.setdefault(bill_on, []).append(item)
    return [Draft(bill_on, items) for bill_on, items in sorted(by_date.items())]


def _due(
    subscription: Record, charge: Record, usages: Sequence[Record], until: dt.date
) -> Iterator[tuple[dt.date, Item]]:
    starts_on = day(charge.get("startsOn"))
    if starts_on is None:
        return
    if charge["type"] == "OneTime":
        cancelled = day(subscription.get("cancelledOn"))
        if starts_on <= until and not charge.get("billedThrough") and (cancelled is None or starts_on < cancelled):
            yield starts_on, one_time_item(charge, starts_on, subscription["currency"])
        return
    cuts = _cuts(subscription, charge, starts_on)
    if charge["type"] == "Usage":
        yield from _usage(subscription, charge, usages, cuts, until)
        return
    yield from _recurring(subscription, charge, cuts, until)
    if (credit := _credit(subscription, charge, until)) is not None:
        yield credit.starts_on, credit


def _recurring(
    subscription: Record, charge: Record, cuts: Sequence[tuple[dt.date, dt.date]], until: dt.date
) -> Iterator[tuple[dt.date, Item]]:
    billed = day(charge.get("billedThrough")) or dt.date.min
    arrears = _in_arrears(charge.get("billing") or {})
    for start, end in cuts:
        bill_on = end if arrears else start
        if end > billed and bill_on <= until:
            begins = max(start, billed)
            minor = due_minor(subscription, charge, end) - due_minor(subscription, charge, begins)
            yield bill_on, Item(charge, begins, end, charged_quantity(charge), minor)


def _credit(subscription: Record, charge: Record, until: dt.date) -> Item | None:
    """What was billed beyond the end that a cancellation brought, from that day on."""
    billed, ends_on = day(charge.get("billedThrough")), dt.date.fromisoformat(charge["endsOn"])
    if billed is None or billed <= ends_on or ends_on > until:
        return None
    minor = due_minor(subscription, charge, ends_on) - due_minor(subscription, charge, billed)
    return Item(charge, ends_on, billed, charged_quantity(charge), minor, is_credit=True)


def one_time_item(charge: Record, on: dt.date, currency: str) -> Item:
    pricing = charge["pricing"]
    unit, flat = pricing.get("oneTimePerUnit"), pricing.get("oneTimeFlatFee") or {}
    price = Fraction(str((unit or flat).get("listPrice", 0)))
    amount = price * Fraction(str(unit.get("quantity", 1))) if unit else price
    minor = periods.rounded(amount * 10 ** money.exponent(currency))
    return Item(charge, on, on + dt.timedelta(days=1), charged_quantity(charge), minor)


def charged_quantity(charge: Record) -> Decimal:
    pricing = charge["pricing"]
    unit = pricing.get("recurringPerUnit") or pricing.get("oneTimePerUnit") or {}
    return Decimal(str(unit.get("quantity", 1)))


def due_minor(subscription: Record, charge: Record, until: dt.date) -> int:
    """What a recurring charge has come to until before a day, at its price and end as first agreed."""
    start = dt.date.fromisoformat(charge["startsOn"])
    end = dt.date.fromisoformat(charge["pricedUntil"])
    billing = charge.get("billing") or {}
    anchor = dt.date.fromisoformat(subscription["termStart"])
    whole = periods.total(charge["pricing"], periods.months_between(start, end, anchor), billing)
    cuts = periods.periods(start, end, billing, anchor)
    return periods.share_minor(whole, money.exponent(subscription["currency"]), cuts, until, anchor)


def next_bill_on(subscription: Record, until: dt.date) -> dt.date:
    """The next day on which a run after `until` finds something, activations and late usage aside."""
    found = [dt.date.max]
    for charge in subscription["charges"]:
        starts_on = day(charge.get("startsOn"))
        if starts_on is None:
            continue
        if charge["type"] == "OneTime":
            found += [starts_on] if starts_on > until else []
            continue
        if charge.get("billedThrough") and charge["type"] == "Recurring" and charge["billedThrough"] > charge["endsOn"]:
            found.append(dt.date.fromisoformat(charge["endsOn"]))
        arrears = charge["type"] == "Usage" or _in_arrears(charge.get("billing") or {})
        days = [end if arrears else start for start, end in _cuts(subscription, charge, starts_on)]
        found += [each for each in days if each > until][:1]
    return min(found)


def _in_arrears(billing: Record) -> bool:
    return str(billing.get("billingTiming") or "IN_ADVANCE").upper() == "IN_ARREARS"


def _cuts(subscription: Record, charge: Record, starts_on: dt.date) -> list[tuple[dt.date, dt.date]]:
    """The billing periods of a charge, to its end as it stands now."""
    ends_on = min(filter(None, (day(charge.get("endsOn")), day(subscription["termEnd"]))))
    billing = charge.get("billing") or {}
    return periods.periods(starts_on, ends_on, billing, dt.date.fromisoformat(subscription["termStart"]))


def _usage(
    subscription: Record,
    charge: Record,
    usages: Sequence[Record],
    cuts: Sequence[tuple[dt.date, dt.date]],
    until: dt.date,
) -> Iterator[tuple[dt.date, Item]]:
    """Each period once it is over; what is reported later for a billed period is billed with the next run."""
    pricing = charge["pricing"]
    theirs = [use for use in usages if _belongs(use, subscription, charge)]
    billed: Mapping[str, int] = charge.get("usageBilled") or {}
    for start, end in cuts:
        if end > until:
            break
        mine = [use for use in theirs if start.isoformat() <= str(use["StartDateTime"])[:10] < end.isoformat()]
        quantity = sum((Fraction(str(use["Quantity"])) for use in mine), Fraction(0))
        exponent = money.exponent(subscription["currency"])
        minor = periods.rounded(periods.rate(pricing, quantity) * 10**exponent)
        known = billed.get(start.isoformat())
        if minor != (known or 0):
            bill_on = end if known is None else until
            count = Decimal(quantity.numerator) / Decimal(quantity.denominator)
            yield bill_on, Item(charge, start, end, count, minor - (known or 0), usage_period=start.isoformat())


def _belongs(use: Record, subscription: Record, charge: Record) -> bool:
    return (
        use.get("UOM") == charge["uom"]
        and use.get("AccountNumber") == subscription["accountNumber"]
        and use.get("SubscriptionNumber") in (None, "", subscription["number"])
        and use.get("ChargeNumber") in (None, "", charge["number"])
    )


def taxes(net_minor: int, place: Record, tax_code: str, rates: Sequence[Record]) -> list[dict[str, Any]]:
    """One row per jurisdiction; a rate for the tax code stands before a general one of the same name."""
    best: dict[str, Record] = {}
    for row in rates:
        fits = (
            row.get("country") == place.get("country")
            and row.get("region", "") in ("", place.get("state", ""))
            and row.get("tax_code", "") in ("", tax_code)
        )
        name = str(row.get("name") or "Tax")
        if fits and (name not in best or row.get("tax_code")):
            best[name] = row
    found = []
    for name, row in best.items():
        minor = money.times(net_minor, Decimal(str(row["rate"])))
        if minor or Decimal(str(row["rate"])):
            found.append({"name": name, "rate": str(row["rate"]), "minor": minor, "row": dict(row)})
    return found
