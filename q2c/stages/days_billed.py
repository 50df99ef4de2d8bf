"""Which days of what was sold are billed: none twice, and none taken back twice or unbilled."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from exceptions.sentences import listed
from q2c.connectors.outcomes import Blocker
from q2c.contracts.documents import InvoiceDocument
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import sold
from q2c.stages.beside import about, each
from q2c.stages.overlaps import Amounts, Heights
from q2c.stages.periods import Key, Own, Period, Periods
from q2c.stages.verb import Finding, Measure

# What stands in the way of a credit: what it takes back is not billed.
CREDITED = "credited"


def twice(invoice: InvoiceDocument, own: Own, periods: Periods, spans: sold.Spans) -> Iterator[tuple[int, Finding]]:
    """Each day is billed as often as lines of the order cover it: one invoice line more is one too many.

    The same charge again is one too many for sure; under another name, or as usage for a part of the days, it may be
    meant, and a second person says so. So it may where the order has several lines for these days, and another invoice
    billed the very same: it may be the other line, or the invoice sent twice.
    """
    crowds: dict[Key, Heights] = {}
    for i, mine, beside in each(own, periods, 1):
        if mine.of not in crowds:
            crowds[mine.of] = _crowd(mine, own, periods, spans)
        is_crowded = crowds[mine.of].highest(mine.stretch) >= 0
        crowds[mine.of].add(mine.stretch)
        if not beside.is_billed(mine):
            continue
        if is_crowded:
            surely = beside.repeats(mine)
            what = "that time" if surely else "days of it"
            yield i, _twice(invoice, i, mine, beside.invoices(mine), beside.billed, surely, what)
            continue
        same = [number for number in beside.alike(mine) if number != mine.invoice]
        if len(same) > beside.taken_back(mine):
            yield i, _twice(invoice, i, mine, same, beside.billed, False, "as much for that time")


def _crowd(mine: Period, own: Own, periods: Periods, spans: sold.Spans) -> Heights:
    """How often each day is billed, less how many order lines cover it: at 0, one more is one too many."""
    of_it = [one for one in own.values() if one.of == mine.of]
    there = [*about(of_it, periods), *(one for one in of_it if one.sign < 0)]
    days = {day for one in (*there, *of_it) for day in one.stretch}
    ground = [(span.starts_on.toordinal(), span.ends_on.toordinal()) for span in spans.get(mine.sold, ())]
    return Heights(days, ground, [(one.stretch, one.sign) for one in there])


def _twice(
    invoice: InvoiceDocument, at: int, mine: Period, before: Sequence[str], sums: Amounts, surely: bool, what: str
) -> Finding:
    again, named = Money(mine.net_minor, invoice.currency), _named(mine, before)
    return Finding(
        reason=Reason.INVOICE_DUPLICATE if surely else Reason.INVOICE_APPROVAL_REQUIRED,
        pointer=f"/lines/{at}/service_starts_on", seen=mine.starts_on,
        text=f"Invoice {invoice.invoice_number}: {again} of {mine.product} from {mine.starts_on} until {mine.ends_on} "
        f"is billed, and {what} by {named} already",
        remedy="Void or credit one of them in billing, then replay" if surely else
        "Void or credit one of them in billing; where both are right, a second person approves it",
        measure=None if surely else _again(invoice, at, mine, math.ceil(sums.within(mine.stretch))),
    )  # fmt: skip


def _again(invoice: InvoiceDocument, at: int, mine: Period, before: int) -> Measure:
    """All that these days come to beside what they came to: whoever signs says nothing of one more that joins them."""
    return Measure(
        of=f"{invoice.invoice_number}, line {invoice.lines[at].line}, {mine.product}, billed again",
        value=f"{Money(before + mine.net_minor, invoice.currency).decimal():f}",
        limit=f"{Money(before, invoice.currency).decimal():f}",
        unit=invoice.currency,
        amounts=(
            ("Billed by this line", mine.net_minor, invoice.currency),
            ("Billed for these days before", before, invoice.currency),
        ),
        note="More than what is billed for these days needs approval, however little it is.",
    )


def _named(mine: Period, invoices: Iterable[str]) -> str:
    names = ("another line of it" if number == mine.invoice else number for number in invoices)
    return listed(list(dict.fromkeys(names)))


def unbilled_back(invoice: InvoiceDocument, own: Own, periods: Periods) -> Iterator[Finding]:
    """A credit for certain days takes back what was billed for them and is not taken back yet, and no more.

    More than all that bills any of its days is wrong for sure; more than the share of its days may be a favour, and a
    second person says so. Usage is not even by days. A credit that names no days is held to the order's sum alone.
    """
    for i, mine, beside in each(own, periods, -1):
        rounded = beside.rounded(mine)
        free = rounded + beside.back.within(mine.stretch)
        if -mine.net_minor > (most := beside.billed.whole(mine.stretch) + free):
            yield _beyond_days(invoice, i, mine, max(int(most) - rounded, 0), beside.alike(mine))
        elif mine.kind != "usage" and -mine.net_minor > beside.billed.within(mine.stretch) + free:
            share = beside.share(mine, sold.CONVENTION_DAYS) + free
            if -mine.net_minor > share:
                yield _beyond_share(invoice, i, mine, max(int(share), 0))


def not_billed(order_number: str) -> Blocker:
    """What stands in the way of a credit until what it takes back is billed."""
    return Blocker(connection="", object_type=CREDITED, object_key=order_number, condition="not_billed")


def _beyond_days(invoice: InvoiceDocument, at: int, mine: Period, left: int, again: Sequence[str]) -> Finding:
    back, there_is = Money(-mine.net_minor, invoice.currency), Money(left, invoice.currency)
    days = f"from {mine.starts_on} until {mine.ends_on}"
    text = f"Invoice {invoice.invoice_number} credits {back} of {mine.product} {days}"
    text += f", as {_named(mine, again)} does already" if again else ""
    return Finding(
        reason=Reason.INVOICE_DUPLICATE if again else Reason.INVOICE_MISMATCH,
        pointer=f"/lines/{at}/net_minor", seen=mine.net_minor,
        text=f"{text}. Of what is billed for these days {there_is} is left to credit: "
        f"that is {back - there_is} too much",
        remedy="Void it in billing, or have it say the days that it credits. "
        "Does the invoice that it credits wait itself, book that one first",
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
