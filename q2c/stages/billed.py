"""What invoices may bill of an order: together no more than it sold, and no more back than they billed, in its term.

Usage has no sum in the order: it is held to what was billed where it takes back, and to proportion (stages/usage.py).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from exceptions.sentences import listed
from q2c import bulk
from q2c.contracts.documents import InvoiceDocument, InvoiceLine
from q2c.contracts.events import OrderCancelRequested
from q2c.models import CommercialPolicy, Order, Step
from q2c.money import Money
from q2c.reasons import Reason
from q2c.stages import signed, tax_of_invoices, usage
from q2c.stages.controls.calendar import add_months
from q2c.stages.verb import Finding, Work

# An invoice whose journal was reversed counts for nothing: billing bills it anew.
_SO_FAR = """
SELECT order_id, "group", product, is_usage, sum(net)::bigint, sum(lines)::bigint, max(net)
FROM (SELECT i.order_id, i."group", l.product, l.kind = 'usage' AS is_usage, sum(l.net_minor)::bigint AS net,
             count(*) AS lines
      FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
      WHERE i.order_id = ANY(%s::uuid[]) AND i.state <> 'voided' AND NOT ledger_taken_back(i.event_id)
      GROUP BY i.id, 3, 4) of_one_invoice
GROUP BY 1, 2, 3, 4
"""

# The periods billed, of what has one.
_PERIODS = """
SELECT i.order_id, i."group", l.product, l.kind, l.charge, l.service_starts_on, l.service_ends_on,
       sign(l.net_minor)::int, i.number
FROM q2c_invoice i JOIN q2c_invoiceline l ON l.invoice_id = i.id
WHERE i.order_id = ANY(%s::uuid[]) AND l.kind <> 'one_time' AND l.net_minor <> 0 AND i.state <> 'voided'
  AND l.service_starts_on < l.service_ends_on
  AND NOT ledger_taken_back(i.event_id)
ORDER BY i.number
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
        """Of two of the same `sold`: at one time."""
        return self.starts_on < other.ends_on and other.starts_on < self.ends_on

    def repeats(self, other: _Period) -> bool:
        """Beyond doubt the same: one charge, and of usage, which may be told later, the same days."""
        same_days = (self.starts_on, self.ends_on) == (other.starts_on, other.ends_on)
        return self.charge == other.charge and (same_days or self.kind != "usage")


# Order id, group, product, whether it is its usage.
Sold = tuple[UUID, str, str, bool]


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


def undated(invoice: InvoiceDocument) -> list[Finding]:
    """Of what is billed again and again, nobody could see that the same days are billed twice."""
    return [
        Finding(
            reason=Reason.INVOICE_MISMATCH, pointer=f"/lines/{i}/service_starts_on", seen=None,
            text=f"Invoice {invoice.invoice_number} does not say for which days it bills {line.product}",
            remedy="Have billing say the service period of the line, or void it there",
        )
        for i, line in enumerate(invoice.lines)
        if line.kind != "one_time" and line.net_minor > 0 and not _has_days(line)
    ]  # fmt: skip


def _has_days(line: InvoiceLine) -> bool:
    starts, ends = line.service_starts_on, line.service_ends_on
    return starts is not None and ends is not None and starts < ends


def tie(works: Sequence[Work]) -> None:
    """Adds a finding to each invoice that goes beyond its order; those before it in the batch count.

    Orders are locked until the transaction ends, so two workers cannot each bill what is left.
    """
    orders: dict[UUID, Order] = {work.notes["order"].id: work.notes["order"] for work in works}
    list(Order.objects.filter(id__in=orders).order_by("id").select_for_update().values_list("id"))
    billed = _Billed(orders.values())
    policies = {policy.entity: policy for policy in CommercialPolicy.objects.all()}
    for work in works:
        invoice, order = work.fact.payload, work.notes["order"]
        policy = policies.get(invoice.legal_entity) or policies.get("") or CommercialPolicy()
        found = [
            *billed.beyond(invoice, order),
            *billed.twice(invoice, order),
            *usage.over(invoice, order, billed.most(invoice, order), Decimal(policy.usage_limit_percent)),
            *tax_of_invoices.off(invoice, order, Decimal(policy.tax_tolerance_percent)),
        ]
        work.findings += signed.left({work.step.id: found})[work.step.id]
        if not work.findings:
            billed.add(invoice, order)


def again(invoice: InvoiceDocument, order: Order) -> list[Finding]:
    """What has come to be in the way of an invoice that was taken back, and is to count once more."""
    billed = _Billed([order])
    return [*billed.beyond(invoice, order), *billed.twice(invoice, order)]


class _Billed:
    """What was billed of some orders, with what joins it in this batch."""

    def __init__(self, orders: Collection[Order]) -> None:
        ids = [order.id for order in orders]
        self.net: Counter[Sold] = Counter()
        self.lines: Counter[Sold] = Counter()
        self.highest: Counter[Sold] = Counter()
        self.periods: defaultdict[Any, list[_Period]] = defaultdict(list)
        for *key, minor, count, highest in bulk.execute(_SO_FAR, [ids]):
            sold: Sold = tuple(key)  # type: ignore[assignment]
            self.net[sold], self.lines[sold], self.highest[sold] = minor, count, highest
        for row in bulk.execute(_PERIODS, [ids]):
            period = _Period(*row)
            self.periods[period.sold].append(period)
        self.sold = _sold(orders)

    def beyond(self, invoice: InvoiceDocument, order: Order) -> Iterator[Finding]:
        net, lines = _of(invoice, order)
        for key in net:
            billed, tolerance = self.net[key] + net[key], self.lines[key] + lines[key]
            yield from _beyond(invoice, order, key, self.sold[key], billed, tolerance)

    def twice(self, invoice: InvoiceDocument, order: Order) -> list[Finding]:
        return _twice(invoice, order, _periods_of(invoice, order), self.periods)

    def most(self, invoice: InvoiceDocument, order: Order) -> dict[str, int]:
        """By product, the most usage that one invoice billed."""
        products = {line.product for line in invoice.lines}
        return {product: self.highest[order.id, invoice.group, product, True] for product in products}

    def add(self, invoice: InvoiceDocument, order: Order) -> None:
        net, lines = _of(invoice, order)
        self.net.update(net)
        self.lines.update(lines)
        for key, minor in net.items():
            self.highest[key] = max(self.highest[key], minor)
        for period in _periods_of(invoice, order).values():
            self.periods[period.sold].append(period)


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
    """Of an order's line each day is billed once: with more invoice lines for it than it has lines, one is too many.

    The same charge again is one too many for sure; under another name, or as usage for a part of the days, it may be
    meant, and a second person says so.
    """
    found = []
    for i, mine in own.items():
        same = [one for one in there.get(mine.sold, ()) if one.meets(mine)]
        before = [one for one in same if one.sign > 0]
        if mine.sign < 0 or not before:
            continue
        same += [one for one in own.values() if one.sold == mine.sold and one.meets(mine)]
        lines = sum((s.group, s.product, s.kind) == (mine.group, mine.product, mine.kind) for s in order.lines.all())
        if sum(one.sign for one in same) <= lines:
            continue
        surely = any(one.repeats(mine) for one in before)
        by = listed(list(dict.fromkeys(one.invoice for one in before)))
        days = "that time" if surely else "days of it"
        text = f"{mine.product} from {mine.starts_on} until {mine.ends_on} is billed, and {days} by {by} already"
        found.append(
            Finding(
                reason=Reason.INVOICE_DUPLICATE if surely else Reason.INVOICE_APPROVAL_REQUIRED,
                pointer=f"/lines/{i}/service_starts_on", seen=mine.starts_on,
                text=f"Invoice {invoice.invoice_number}: {text}",
                remedy="Void or credit one of them in billing, then replay" if surely else
                "Void or credit one of them in billing; where both are right, a second person approves it",
            )
        )  # fmt: skip
    return found


def _sold(orders: Iterable[Order]) -> Counter[Sold]:
    sold: Counter[Sold] = Counter()
    for order in orders:
        for line in order.lines.all():
            sold[order.id, line.group, line.product, line.kind == "usage"] += line.amount_minor
    return sold


def _of(invoice: InvoiceDocument, order: Order) -> tuple[Counter[Sold], Counter[Sold]]:
    """What the invoice itself bills: net and number of lines."""
    net: Counter[Sold] = Counter()
    lines: Counter[Sold] = Counter()
    for line in invoice.lines:
        key = (order.id, invoice.group, line.product, line.kind == "usage")
        net[key] += line.net_minor
        lines[key] += 1
    return net, lines


def _beyond(invoice: InvoiceDocument, order: Order, key: Sold, sold: int, billed: int, tolerance: int) -> list[Finding]:
    """`tolerance`: each invoice line was rounded once, by one minor unit at most. Usage has no sum that was sold."""
    product, is_usage = key[2:]
    if min(sold, 0) - tolerance <= billed and (is_usage or billed <= max(sold, 0) + tolerance):
        return []
    at = next(i for i, line in enumerate(invoice.lines) if (line.product, line.kind == "usage") == key[2:])
    comes_to, limit = Money(billed, invoice.currency), Money(sold, invoice.currency)
    what = f"order {order.number} sold {limit} of it to group {invoice.group}"
    if is_usage:
        product, what = f"usage of {product}", "no more can be taken back than was billed"
    return [
        Finding(
            reason=Reason.INVOICE_MISMATCH, pointer=f"/lines/{at}/net_minor", seen=invoice.lines[at].net_minor,
            text=f"With invoice {invoice.invoice_number}, {comes_to} of {product} is billed; {what}",
            remedy="Void the invoice in billing and bill the right amount, or replay after the invoice it credits",
        )
    ]  # fmt: skip
