"""Usage is metered by others, so no order says its sum: what the order's terms, or proportion, do not explain wants a
second person's word."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from uuid import UUID

from q2c import bulk
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Order
from q2c.money import Money, exponent
from q2c.reasons import Reason
from q2c.stages import rating
from q2c.stages.beside import MOST_ROUNDED
from q2c.stages.verb import Finding, Measure

# Usage may be so many times what the same was billed at most before.
TIMES = 10

# An invoice whose journal was reversed counts for nothing, until restored.
_METERED = """
SELECT i.order_id, i."group", l.product, l.service_starts_on, l.service_ends_on, l.quantity, l.net_minor
FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE i.order_id = ANY(%s::uuid[]) AND l.kind = 'usage' AND i.state <> 'voided'
  AND l.service_starts_on < l.service_ends_on AND NOT ledger_counts_no_more(i.event_id)
"""


@dataclass(frozen=True, slots=True)
class Part:
    """Usage that a line bills, or takes back: then its quantity and its amount are less than nothing."""

    starts_on: dt.date
    ends_on: dt.date
    quantity: Fraction
    net_minor: int


# By order, group and product.
Metered = defaultdict[tuple[UUID, str, str], list[Part]]


def there(order_ids: Collection[UUID]) -> Metered:
    """What was billed of some orders."""
    found: Metered = defaultdict(list)
    if not order_ids:
        return found
    for order_id, group, product, starts_on, ends_on, quantity, net in bulk.execute(_METERED, [list(order_ids)]):
        if (part := _part(starts_on, ends_on, quantity, net)) is not None:
            found[order_id, group, product].append(part)
    return found


def of(invoice: InvoiceDocument) -> dict[int, Part]:
    """By place in the document, what says its days and how much."""
    found = {
        i: _part(line.service_starts_on, line.service_ends_on, line.quantity, line.net_minor)
        for i, line in enumerate(invoice.lines)
        if line.kind == "usage" and line.service_starts_on and line.service_ends_on
        and line.service_starts_on < line.service_ends_on
    }  # fmt: skip
    return {i: part for i, part in found.items() if part is not None}


def _part(starts_on: dt.date | None, ends_on: dt.date | None, quantity: str, net_minor: int) -> Part | None:
    try:
        much = Fraction(Decimal(quantity))
    except (InvalidOperation, ValueError, OverflowError):
        return None
    if starts_on is None or ends_on is None:
        return None
    # Some platforms write a credit's quantity as it was billed, some as less than nothing.
    return Part(starts_on, ends_on, -abs(much) if net_minor < 0 else max(much, Fraction(0)), net_minor)


def add(metered: Metered, invoice: InvoiceDocument, order: Order) -> None:
    for i, part in of(invoice).items():
        metered[order.id, invoice.group, invoice.lines[i].product].append(part)


def over(
    invoice: InvoiceDocument, order: Order, most_before: dict[str, int], percent: Decimal, metered: Metered,
    was_limit: int | None = None,
) -> Iterator[Finding]:  # fmt: skip
    """What its order's terms, or all that was sold and billed, do not explain.

    Two questions, asked each for itself: terms are held against what is billed for a billing period, proportion against
    all usage of a product that the invoice bills. Each is told at the line that goes beyond. `most_before`: by product,
    the most of it that one invoice billed to this order and group, in minor units. `percent` of what the order sold to
    the group over its whole term may be billed as usage by one invoice. Where nothing but usage is sold, the first of
    it wants a person's word, and what follows is measured by that. `was_limit`, in minor units: what needed no approval
    as it was asked about.
    """
    sold = sum(line.amount_minor for line in order.lines.all() if line.group == invoice.group)
    yield from _beyond_terms(invoice, order, metered)
    # That terms explain a line, or a signature lets it pass, is no word on how much it is.
    for product in dict.fromkeys(line.product for line in invoice.lines if line.kind == "usage"):
        before = most_before.get(product, 0)
        limit = max(int(sold * percent / 100), before * TIMES) if was_limit is None else was_limit
        at, total = _goes_beyond(invoice, product, limit)
        if at is None:
            continue
        amounts = (
            ("Sold to the group", sold, invoice.currency),
            ("Billed at most before", before, invoice.currency),
        )
        note = f"{percent.normalize():f} % of what was sold, or {TIMES} times the most before, need no approval."
        need_none = f"{Money(limit, invoice.currency)} need no approval"
        yield _finding(invoice, at, (total, limit), need_none, amounts, ("in proportion", note))


def _goes_beyond(invoice: InvoiceDocument, product: str, limit: int) -> tuple[int | None, int]:
    """The line by which its usage is more than the limit, None if it is not; and all of it, in minor units."""
    at, total = None, 0
    for i, line in enumerate(invoice.lines):
        if (line.kind, line.product) == ("usage", product) and line.net_minor > 0:
            total += line.net_minor
            at = i if at is None and total > limit else at
    return at, total


def _beyond_terms(invoice: InvoiceDocument, order: Order, metered: Metered) -> Iterator[Finding]:
    """At most one per billing period of a product, at the line that goes beyond."""
    own = of(invoice)
    known = rating.agreed(order) if own else {}
    for product in dict.fromkeys(invoice.lines[i].product for i in own):
        terms = known.get((invoice.group, product))
        if not terms:
            continue
        mine = {i: part for i, part in own.items() if invoice.lines[i].product == product}
        for shared in _by_period(mine, metered.get((order.id, invoice.group, product), ()), terms):
            rated = shared.rated_minor(10 ** exponent(invoice.currency))
            if (at := shared.goes_beyond(rated)) is not None:
                yield _above_terms(invoice, order, at, shared, rated)


class _Shared:
    """What an invoice bills of one billing period, beside what was billed of it before."""

    def __init__(self, agreed: Sequence[rating.Agreed]) -> None:
        self.agreed = agreed
        self.own: dict[int, Part] = {}
        self.before: list[Part] = []
        self.periods = 1

    @property
    def net_minor(self) -> int:
        return sum(part.net_minor for part in self.own.values())

    @property
    def quantity(self) -> Fraction:
        return sum((part.quantity for part in self.own.values()), Fraction(0))

    @property
    def quantity_before(self) -> Fraction:
        return max(sum((part.quantity for part in self.before), Fraction(0)), Fraction(0))

    def rated_minor(self, minor_per_unit: int) -> Fraction:
        """What it may cost beside what was billed before.

        That an earlier part was billed too low is no reason to bill a later one higher.
        """
        billed = sum(part.net_minor for part in self.before)
        found = []
        for one in self.agreed:
            before, all_ = (
                rating.at_most(one.terms, quantity, self.periods) * minor_per_unit
                for quantity in (self.quantity_before, self.quantity_before + self.quantity)
            )
            found.append(all_ - max(before, Fraction(billed)))
        return max(*found, Fraction(0))

    def goes_beyond(self, rated: Fraction) -> int | None:
        """The line by which more is billed than that. Each line and each tier may have been rounded once."""
        tiers = max(len(one.terms.tiers) for one in self.agreed)
        rounded, so_far = min((len(self.own) + len(self.before)) * tiers, MOST_ROUNDED), 0
        for i, part in self.own.items():
            so_far += part.net_minor
            if so_far > rated + rounded:
                return i
        return None


def _by_period(mine: dict[int, Part], before: Sequence[Part], known: Sequence[rating.Agreed]) -> Collection[_Shared]:
    """Parts of the same billing period together. Where several order lines sell it, each line is a whole of its own."""
    found: dict[tuple[object, ...], _Shared] = {}
    for i, part in mine.items():
        key, agreed, periods = _period_of(part, known)
        if part.net_minor < 0:
            continue
        shared = found.setdefault(key or (i,), _Shared(agreed))
        shared.own[i], shared.periods = part, max(shared.periods, periods)
    for part in (*before, *(one for one in mine.values() if one.net_minor < 0)):
        key, _, _ = _period_of(part, known)
        if key in found:
            found[key].before.append(part)
    return found.values()


def _period_of(part: Part, known: Sequence[rating.Agreed]) -> tuple[tuple[object, ...], Sequence[rating.Agreed], int]:
    """What names its billing period, empty where several order lines may be meant; their terms; how many it fills."""
    agreed = rating.of_days(known, part.starts_on, part.ends_on)
    if len({one.line for one in agreed}) > 1:
        return (), agreed, max(one.periods(part.starts_on, part.ends_on)[2] for one in agreed)
    first, last, periods = agreed[0].periods(part.starts_on, part.ends_on)
    return (first, last), agreed[:1], periods


def _above_terms(invoice: InvoiceDocument, order: Order, at: int, shared: _Shared, rated: Fraction) -> Finding:
    net, limit, parts = shared.net_minor, int(rated), shared.own.values()
    days = min(part.starts_on for part in parts), max(part.ends_on for part in parts)
    before = sum(part.net_minor for part in shared.before)
    after = f", after {_count(shared.quantity_before)} billed for the same period," if shared.before else ""
    by_terms = (
        f"by the terms of order {order.number}, {_count(shared.quantity)} of it from {days[0]} until {days[1]}{after} "
        f"cost {Money(limit, invoice.currency)}"
    )
    included = max(Decimal(one.terms.included_quantity) for one in shared.agreed)
    amounts = [("Billed", net, invoice.currency), ("By the terms of its order", limit, invoice.currency)]
    amounts += [("Billed for the same period before", before, invoice.currency)] if shared.before else []
    note = f"Its order includes {_count(Fraction(included))} in each billing period." if included else ""
    return _finding(invoice, at, (net, limit), by_terms, tuple(amounts), ("by its terms", note))


def _count(quantity: Fraction) -> str:
    """1,234.5: at most six decimals, and none that says nothing."""
    return f"{Decimal(quantity.numerator) / quantity.denominator:,.6f}".rstrip("0").rstrip(".")


def _finding(
    invoice: InvoiceDocument, at: int, sums: tuple[int, int], why: str, amounts: tuple[tuple[str, int, str], ...],
    called: tuple[str, str],
) -> Finding:  # fmt: skip
    """`sums`: billed, and what may be; `called`: which of the two questions it is, and what to know about it."""
    line, (question, note) = invoice.lines[at], called
    net, limit = (Money(minor, invoice.currency) for minor in sums)
    return Finding(
        reason=Reason.INVOICE_APPROVAL_REQUIRED,
        pointer=f"/lines/{at}/net_minor",
        seen=sums[0],
        text=f"Invoice {invoice.invoice_number} bills {net} of usage of {line.product}; {why}",
        remedy="A second person approves it, or it is voided or credited in billing",
        measure=Measure(
            # A signature on one is none on the other.
            of=f"{invoice.invoice_number}, line {line.line}, {line.product}, {question}",
            value=f"{net.decimal():f}",
            limit=f"{limit.decimal():f}",
            unit=invoice.currency,
            amounts=amounts,
            note=note,
        ),
    )
