"""Which days of what was sold are billed: none twice, and none taken back twice or unbilled."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from exceptions.sentences import listed
from q2c import bulk
from q2c.connectors.outcomes import Blocker
from q2c.contracts.documents import InvoiceDocument
from q2c.models import Order
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import sold
from q2c.stages.verb import Finding, Measure

# The periods billed, of what has one. An invoice whose journal was reversed counts for nothing.
_PERIODS = """
SELECT i.order_id, i."group", l.product, l.kind, l.charge, l.service_starts_on, l.service_ends_on, l.net_minor, i.number
FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE i.order_id = ANY(%s::uuid[]) AND l.kind <> 'one_time' AND l.net_minor <> 0 AND i.state <> 'voided'
  AND l.service_starts_on < l.service_ends_on
  AND NOT ledger_taken_back(i.event_id)
ORDER BY i.number, l.line
"""


@dataclass(frozen=True, slots=True)
class Period:
    """One invoice line's. What is less than nothing takes back."""

    order_id: UUID
    group: str
    product: str
    kind: str
    charge: str
    starts_on: dt.date
    ends_on: dt.date
    net_minor: int
    invoice: str

    @property
    def of(self) -> tuple[UUID, str, str, str]:
        return self.order_id, self.group, self.product, self.kind

    @property
    def sold(self) -> sold.Key:
        return self.group, self.product, self.kind

    @property
    def sign(self) -> int:
        return 1 if self.net_minor > 0 else -1

    @property
    def days(self) -> tuple[dt.date, dt.date]:
        return self.starts_on, self.ends_on

    def covers(self, day: dt.date) -> bool:
        return self.starts_on <= day < self.ends_on

    def meets(self, other: Period) -> bool:
        """Of two of the same: at one time."""
        return self.starts_on < other.ends_on and other.starts_on < self.ends_on

    def within(self, other: Period, more_days: int = 0) -> Fraction:
        """What of it falls into the days of another that it meets, in minor units; all of it at most."""
        days = (min(self.ends_on, other.ends_on) - max(self.starts_on, other.starts_on)).days + more_days
        return self.net_minor * min(Fraction(days, (self.ends_on - self.starts_on).days), Fraction(1))

    def repeats(self, other: Period) -> bool:
        """Beyond doubt the same: one charge, and of usage, which may be told later, as much for the same days."""
        return self.charge == other.charge and (self.kind != "usage" or self.is_as(other))

    def is_as(self, other: Period) -> bool:
        """For the same days as much; what takes back may be called otherwise than what it takes back."""
        alike = (self.days, abs(self.net_minor)) == (other.days, abs(other.net_minor))
        return alike and (self.charge == other.charge or self.sign != other.sign)


# By order, group, product and kind.
Periods = Mapping[tuple[UUID, str, str, str], Sequence[Period]]
# Of one invoice, by place in the document.
Own = Mapping[int, Period]


def there(order_ids: Collection[UUID]) -> defaultdict[tuple[UUID, str, str, str], list[Period]]:
    found: defaultdict[tuple[UUID, str, str, str], list[Period]] = defaultdict(list)
    for row in bulk.execute(_PERIODS, [list(order_ids)]):
        period = Period(*row)
        found[period.of].append(period)
    return found


def of(invoice: InvoiceDocument, order: Order) -> dict[int, Period]:
    """By place in the document."""
    return {
        i: Period(
            order.id, invoice.group, line.product, line.kind, line.charge, line.service_starts_on, line.service_ends_on,
            line.net_minor, invoice.invoice_number,
        )
        for i, line in enumerate(invoice.lines)
        if line.kind != "one_time" and line.net_minor and line.service_starts_on and line.service_ends_on
        and line.service_starts_on < line.service_ends_on
    }  # fmt: skip


def beside(at: int, own: Own, periods: Periods) -> list[Period]:
    """What meets a line of an invoice: all that is billed, and of the invoice what stands before it.

    What a line bills is seen beside all that its invoice takes back, and the reverse, in whatever order they stand.
    """
    mine = own[at]
    others = [one for one in periods.get(mine.of, ()) if one.meets(mine)]
    return others + [
        one
        for i, one in own.items()
        if i != at and one.of == mine.of and one.meets(mine) and (i < at or one.sign != mine.sign)
    ]


def twice(invoice: InvoiceDocument, own: Own, periods: Periods, spans: sold.Spans) -> Iterator[tuple[int, Finding]]:
    """Each day is billed as often as lines of the order cover it: one invoice line more is one too many.

    The same charge again is one too many for sure; under another name, or as usage for a part of the days, it may be
    meant, and a second person says so. So it may where the order has several lines for these days, and another invoice
    billed the very same: it may be the other line, or the invoice sent twice.
    """
    for i, mine in own.items():
        others = beside(i, own, periods)
        before = [one for one in others if one.sign > 0]
        if mine.sign < 0 or not before:
            continue
        if _is_crowded(mine, others, spans.get(mine.sold, ())):
            surely = any(one.repeats(mine) for one in before)
            yield i, _twice(invoice, i, mine, before, surely, "that time" if surely else "days of it")
            continue
        alike = [one for one in others if one.is_as(mine) and (one.sign < 0 or one.invoice != mine.invoice)]
        if sum(one.sign for one in alike) > 0:
            same = [one for one in alike if one.sign > 0]
            yield i, _twice(invoice, i, mine, same, False, "as much for that time")


def _is_crowded(mine: Period, others: Sequence[Period], spans: Sequence[sold.Span]) -> bool:
    """Whether more bills some day of it than order lines cover that day."""
    edges = {mine.starts_on, *(day for one in others for day in one.days)}
    edges.update(day for span in spans for day in (span.starts_on, span.ends_on))
    for day in filter(mine.covers, edges):
        lines = sum(span.covers(day) for span in spans)
        if 1 + sum(one.sign for one in others if one.covers(day)) > max(lines, 1):
            return True
    return False


def _twice(
    invoice: InvoiceDocument, at: int, mine: Period, before: Sequence[Period], surely: bool, what: str
) -> Finding:
    return Finding(
        reason=Reason.INVOICE_DUPLICATE if surely else Reason.INVOICE_APPROVAL_REQUIRED,
        pointer=f"/lines/{at}/service_starts_on", seen=mine.starts_on,
        text=f"Invoice {invoice.invoice_number}: {mine.product} from {mine.starts_on} until {mine.ends_on} is billed, "
        f"and {what} by {_named(mine, before)} already",
        remedy="Void or credit one of them in billing, then replay" if surely else
        "Void or credit one of them in billing; where both are right, a second person approves it",
    )  # fmt: skip


def _named(mine: Period, others: Iterable[Period]) -> str:
    names = ("another line of it" if one.invoice == mine.invoice else one.invoice for one in others)
    return listed(list(dict.fromkeys(names)))


def unbilled_back(invoice: InvoiceDocument, own: Own, periods: Periods) -> Iterator[Finding]:
    """A credit for certain days takes back what was billed for them and is not taken back yet, and no more.

    More than all that bills any of its days is wrong for sure; more than the share of its days may be a favour, and a
    second person says so. Usage is not even by days. A credit that names no days is held to the order's sum alone.
    """
    for i, mine in own.items():
        if mine.sign > 0:
            continue
        others = beside(i, own, periods)
        billed = [one for one in others if one.sign > 0]
        gone = sum((-one.within(mine) for one in others if one.sign < 0), Fraction(0))
        # Each line was rounded once, by one minor unit at most.
        free = len(others) + 1 - gone
        if -mine.net_minor > (most := sum(one.net_minor for one in billed) + free):
            again = [one for one in others if one.sign < 0 and one.is_as(mine)]
            yield _beyond_days(invoice, i, mine, max(int(most) - len(others) - 1, 0), again)
        elif mine.kind != "usage":
            share = sum((one.within(mine, sold.CONVENTION_DAYS) for one in billed), Fraction(0)) + free
            if -mine.net_minor > share:
                yield _beyond_share(invoice, i, mine, max(int(share), 0))


def not_billed(order_number: str) -> Blocker:
    """What stands in the way of a credit until what it takes back is billed."""
    return Blocker(connection="", object_type="credited", object_key=order_number, condition="not_billed")


def _beyond_days(invoice: InvoiceDocument, at: int, mine: Period, left: int, again: Sequence[Period]) -> Finding:
    back, there_is = Money(-mine.net_minor, invoice.currency), Money(left, invoice.currency)
    text = f"{back} of {mine.product} is credited from {mine.starts_on} until {mine.ends_on}, "
    text += f"as by {_named(mine, again)} already; " if again else ""
    return Finding(
        reason=Reason.INVOICE_DUPLICATE if again else Reason.INVOICE_MISMATCH,
        pointer=f"/lines/{at}/net_minor", seen=mine.net_minor,
        text=f"Invoice {invoice.invoice_number}: {text}of what bills these days {there_is} is not taken back yet",
        remedy="Void it in billing, or have it say the days that it credits; or replay after the invoice it credits",
        blocker=None if again else not_billed(invoice.order_number),
    )  # fmt: skip


def _beyond_share(invoice: InvoiceDocument, at: int, mine: Period, share: int) -> Finding:
    back, limit = Money(-mine.net_minor, invoice.currency), Money(share, invoice.currency)
    return Finding(
        reason=Reason.INVOICE_APPROVAL_REQUIRED,
        pointer=f"/lines/{at}/net_minor",
        seen=mine.net_minor,
        text=f"Invoice {invoice.invoice_number} credits {back} of {mine.product} from {mine.starts_on} until "
        f"{mine.ends_on}; the share of these days that is not taken back yet is {limit}",
        remedy="A second person approves it, or it is voided in billing",
        measure=Measure(
            of=f"{invoice.invoice_number}, line {invoice.lines[at].line}, {mine.product}",
            value=f"{back.decimal():f}", limit=f"{limit.decimal():f}", unit=invoice.currency,
        ),
    )  # fmt: skip
