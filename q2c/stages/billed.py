"""What invoices may bill of an order: together no more than it sold, and no more back than they billed, in its term."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from q2c import bulk
from q2c.contracts.documents import InvoiceDocument
from q2c.contracts.events import OrderCancelRequested
from q2c.models import Order, Step
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages.controls.calendar import add_months
from q2c.stages.verb import Finding, Work

# Usage has no amount in the order. An invoice whose journal was reversed counts for nothing: billing bills it anew.
_SO_FAR = """
SELECT i.order_id, i."group", l.product, sum(l.net_minor)::bigint, count(*)
FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE i.order_id = ANY(%s::uuid[]) AND l.kind <> 'usage' AND i.state <> 'voided'
  AND NOT EXISTS (SELECT FROM ledger_journalentry e WHERE e.event_id = i.event_id AND e.state = 'reversed')
GROUP BY 1, 2, 3
"""

# The periods billed, of what has one.
_PERIODS = """
SELECT i.order_id, i."group", l.product, l.kind, l.charge, l.service_starts_on, l.service_ends_on,
       sign(l.net_minor)::int, i.number
FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE i.order_id = ANY(%s::uuid[]) AND l.kind <> 'one_time' AND l.net_minor <> 0 AND i.state <> 'voided'
  AND l.service_starts_on < l.service_ends_on
  AND NOT EXISTS (SELECT FROM ledger_journalentry e WHERE e.event_id = i.event_id AND e.state = 'reversed')
"""


@dataclass(frozen=True, slots=True)
class _Period:
    """One invoice line's. `sign`: 1 bills it, -1 takes it back."""

    order_id: UUID
    group: str
    product: str
    kind: str
    charge: str
    starts_on: dt.date
    ends_on: dt.date
    sign: int
    invoice: str

    @property
    def sold(self) -> tuple[UUID, str, str, str]:
        return self.order_id, self.group, self.product, self.kind

    def meets(self, other: _Period) -> bool:
        """Of two of the same `sold`: at one time. Usage may be told later, so only the same period is the same."""
        if self.kind == "usage":
            return (self.starts_on, self.ends_on) == (other.starts_on, other.ends_on)
        return self.starts_on < other.ends_on and other.starts_on < self.ends_on


# Order id, group, product.
Sold = tuple[UUID, str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """An order that was cancelled: as of when, and the day on which that was done."""

    on: dt.date
    done_on: dt.date


def ended(orders: Iterable[Order]) -> dict[UUID, Ended]:
    """Of those that are cancelled."""
    numbers = {order.number: order.id for order in orders if order.state == "cancelled"}
    if not numbers:
        return {}
    done = Step.objects.filter(stage="cancel_order", state="done", business_key__in=numbers).order_by("seq")
    return {
        numbers[number]: Ended(msgspec.json.decode(payload, type=OrderCancelRequested).effective_on, at.date())
        for number, payload, at in done.values_list("business_key", "event__payload", "finished_at")
        if at is not None
    }


def out_of_term(invoice: InvoiceDocument, order: Order, cancelled: Ended | None) -> list[Finding]:
    """What is billed for days that the order does not cover. A credit may be for any."""
    until = add_months(order.starts_on, order.term_months)
    found = []
    for i, line in enumerate(invoice.lines):
        starts, ends = line.service_starts_on, line.service_ends_on
        if line.net_minor <= 0 or starts is None or ends is None:
            continue
        why = ""
        if starts < order.starts_on or ends > max(until, starts):
            why = f"order {order.number} runs from {order.starts_on} until {until}"
        elif cancelled and starts >= cancelled.on and invoice.issued_on >= cancelled.done_on:
            why = f"order {order.number} was cancelled as of {cancelled.on}"
        if why:
            found.append(
                Finding(
                    reason=Reason.INVOICE_MISMATCH, pointer=f"/lines/{i}/service_starts_on", seen=starts,
                    text=f"Invoice {invoice.invoice_number} bills {line.product} from {starts} until {ends}, but {why}",
                    remedy="Void or credit it in billing, or have the order that covers these days sent, then replay",
                )
            )  # fmt: skip
    return found


def tie(works: Sequence[Work]) -> None:
    """Adds a finding to each invoice that goes beyond its order; those before it in the batch count.

    Orders are locked until the transaction ends, so two workers cannot each bill what is left.
    """
    orders: dict[UUID, Order] = {work.notes["order"].id: work.notes["order"] for work in works}
    list(Order.objects.filter(id__in=orders).order_by("id").select_for_update().values_list("id"))
    net: Counter[Sold] = Counter()
    lines: Counter[Sold] = Counter()
    for order_id, group, product, minor, count in bulk.execute(_SO_FAR, [list(orders)]):
        net[order_id, group, product], lines[order_id, group, product] = minor, count
    periods: defaultdict[Any, list[_Period]] = defaultdict(list)
    for row in bulk.execute(_PERIODS, [list(orders)]):
        period = _Period(*row)
        periods[period.sold].append(period)
    sold = _sold(orders.values())
    for work in works:
        invoice, order = work.fact.payload, work.notes["order"]
        own_net, own_lines = _of(invoice, order)
        work.findings += [
            found
            for key in own_net
            for found in _beyond(invoice, order, key, sold[key], net[key] + own_net[key], lines[key] + own_lines[key])
        ]
        own_periods = _periods_of(invoice, order)
        work.findings += _twice(invoice, order, own_periods, periods)
        if not work.findings:
            for period in own_periods.values():
                periods[period.sold].append(period)
            net.update(own_net)
            lines.update(own_lines)


def _periods_of(invoice: InvoiceDocument, order: Order) -> dict[int, _Period]:
    """By place in the document."""
    return {
        i: _Period(
            order.id, invoice.group, line.product, line.kind, line.charge, line.service_starts_on, line.service_ends_on,
            1 if line.net_minor > 0 else -1, invoice.invoice_number,
        )
        for i, line in enumerate(invoice.lines)
        if line.kind != "one_time" and line.net_minor and line.service_starts_on and line.service_ends_on
    }  # fmt: skip


def _twice(
    invoice: InvoiceDocument, order: Order, own: dict[int, _Period], there: Mapping[Any, list[_Period]]
) -> list[Finding]:
    """Of an order's line each day is billed once: with more invoice lines for it than it has lines, one is too many."""
    found = []
    for i, mine in own.items():
        same = [one for one in there.get(mine.sold, ()) if one.meets(mine)]
        double = next((one for one in same if one.sign > 0 and one.charge == mine.charge), None)
        if mine.sign < 0 or double is None:
            continue
        same += [one for one in own.values() if one.sold == mine.sold and one.meets(mine)]
        billed = sum(one.sign for one in same)
        lines = sum((s.group, s.product, s.kind) == (mine.group, mine.product, mine.kind) for s in order.lines.all())
        if billed > lines:
            text = f"{mine.product} from {mine.starts_on} until {mine.ends_on} is billed by {double.invoice} already"
            found.append(
                Finding(
                    reason=Reason.INVOICE_DUPLICATE, pointer=f"/lines/{i}/service_starts_on", seen=mine.starts_on,
                    text=f"Invoice {invoice.invoice_number}: {text}",
                    remedy="Void or credit one of them in billing, then replay",
                )
            )  # fmt: skip
    return found


def _sold(orders: Iterable[Order]) -> Counter[Sold]:
    sold: Counter[Sold] = Counter()
    for order in orders:
        for line in order.lines.all():
            if line.kind != "usage":
                sold[order.id, line.group, line.product] += line.amount_minor
    return sold


def _of(invoice: InvoiceDocument, order: Order) -> tuple[Counter[Sold], Counter[Sold]]:
    """What the invoice itself bills: net and number of lines."""
    net: Counter[Sold] = Counter()
    lines: Counter[Sold] = Counter()
    for line in invoice.lines:
        if line.kind != "usage":
            net[order.id, invoice.group, line.product] += line.net_minor
            lines[order.id, invoice.group, line.product] += 1
    return net, lines


def _beyond(invoice: InvoiceDocument, order: Order, key: Sold, sold: int, billed: int, tolerance: int) -> list[Finding]:
    """`tolerance`: each invoice line was rounded once, by one minor unit at most."""
    if min(sold, 0) - tolerance <= billed <= max(sold, 0) + tolerance:
        return []
    product = key[2]
    at = next(i for i, line in enumerate(invoice.lines) if line.product == product and line.kind != "usage")
    comes_to, limit = Money(billed, invoice.currency), Money(sold, invoice.currency)
    what = f"order {order.number} sold {limit} of it to group {invoice.group}"
    return [
        Finding(
            reason=Reason.INVOICE_MISMATCH, pointer=f"/lines/{at}/net_minor", seen=invoice.lines[at].net_minor,
            text=f"With invoice {invoice.invoice_number}, {comes_to} of {product} is billed; {what}",
            remedy="Void the invoice in billing and bill the right amount, or replay after the invoice it credits",
        )
    ]  # fmt: skip
